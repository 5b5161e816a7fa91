// A register asks who is there: go run . phone "+1 415 555 2671". GOLDTHREAD_TARGET says where the service is.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	goldthread "github.com/goldthread/goldthread/clients/go"
	v1 "github.com/goldthread/goldthread/clients/go/goldthreadv1"
)

func main() {
	client, err := goldthread.Dial(goldthread.Connection{
		Target: cmp.Or(os.Getenv("GOLDTHREAD_TARGET"), "127.0.0.1:50051"), Token: os.Getenv("GOLDTHREAD_TOKEN")})
	who, wrong := goldthread.Identifier(os.Args[1], os.Args[2])
	if err != nil || wrong != nil {
		panic(errors.Join(err, wrong))
	}
	answer, err := client.Lookup(context.Background(), who)
	card, name := answer.GetCard(), cmp.Or(answer.GetCard().GetMaskedName(), "a customer")
	ask := strings.ToLower(strings.TrimPrefix(answer.GetQuestion().GetKind().String(), "QUESTION_KIND_"))
	switch failed := (*goldthread.Error)(nil); {
	case errors.As(err, &failed) && failed.Kind == goldthread.Invalid:
		fmt.Println("REFUSED", failed.Violations)
	case errors.As(err, &failed):
		fmt.Println("OFFLINE", cmp.Or(failed.Reason, string(failed.Kind)))
	case answer.GetOutcome() == v1.LookupOutcome_LOOKUP_OUTCOME_FOUND:
		fmt.Printf("FOUND %s, %s\n", name, strings.ToLower(strings.TrimPrefix(card.GetTier().String(), "TIER_")))
	case answer.GetOutcome() == v1.LookupOutcome_LOOKUP_OUTCOME_NEEDS_CONFIRMATION:
		fmt.Printf("FOUND %s, please ask for the %s\n", name, ask)
	case answer.GetOutcome() == v1.LookupOutcome_LOOKUP_OUTCOME_AMBIGUOUS:
		fmt.Printf("SEVERAL people, please ask for the %s\n", ask)
	default:
		fmt.Println("NOBODY we know")
	}
}
