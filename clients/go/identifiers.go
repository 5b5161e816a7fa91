package goldthread

import (
	"fmt"

	v1 "github.com/goldthread/goldthread/clients/go/goldthreadv1"
)

var kinds = map[string]v1.IdentifierType{
	"email":          v1.IdentifierType_IDENTIFIER_TYPE_EMAIL,
	"phone":          v1.IdentifierType_IDENTIFIER_TYPE_PHONE,
	"loyalty_card":   v1.IdentifierType_IDENTIFIER_TYPE_LOYALTY_CARD,
	"crm_number":     v1.IdentifierType_IDENTIFIER_TYPE_CRM_NUMBER,
	"webshop_number": v1.IdentifierType_IDENTIFIER_TYPE_WEBSHOP_NUMBER,
	"device":         v1.IdentifierType_IDENTIFIER_TYPE_DEVICE,
	"cookie":         v1.IdentifierType_IDENTIFIER_TYPE_COOKIE,
}

// Identifier is one as typed or scanned, of a kind by the name that files and command lines have for it (email, phone,
// loyalty_card, crm_number, webshop_number, device, cookie). The service normalises it and keeps neither the value nor
// a bare digest of it.
func Identifier(kind, value string) (*v1.Identifier, error) {
	known, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("goldthread: no identifier is of kind %q", kind)
	}
	return &v1.Identifier{Type: known, Value: &v1.Identifier_Raw{Raw: value}}, nil
}
