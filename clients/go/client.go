// Package goldthread is a client of Goldthread: who is this customer, and what happened.
package goldthread

import (
	"context"
	"crypto/tls"
	_ "embed"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	v1 "github.com/goldthread/goldthread/clients/go/goldthreadv1"
)

//go:embed service_config.json
var serviceConfig string

// Connection says where the service is and how it is called. Deadlines bound a call with all its retries; one that the
// caller's context has is kept if it is earlier.
type Connection struct {
	// Target is host:port.
	Target string
	// Token of the credential, if the service checks callers.
	Token string
	// TLS encrypts; nil does not.
	TLS *tls.Config
	// LookupTimeout bounds lookups, at which somebody waits at a till; 0 means 2 s.
	LookupTimeout time.Duration
	// CallTimeout bounds all other calls; 0 means 10 s.
	CallTimeout time.Duration
}

// Client is one connection, for any number of goroutines; made once and kept. UNAVAILABLE is retried up to four times
// in all, with growing pauses.
type Client struct {
	// Profiles, Resolver and Steward are stubs: their unary calls have credential, deadline, retries and typed errors too.
	Profiles v1.ProfileServiceClient
	Resolver v1.ResolverServiceClient
	Steward  v1.StewardServiceClient

	lookup v1.LookupServiceClient
	conn   *grpc.ClientConn
}

// Dial makes a client. It does not wait for the service: the first call connects.
func Dial(connection Connection) (*Client, error) {
	transport := insecure.NewCredentials()
	if connection.TLS != nil {
		transport = credentials.NewTLS(connection.TLS)
	}
	conn, err := grpc.NewClient(connection.Target,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute}),
		grpc.WithChainUnaryInterceptor(connection.intercept),
	)
	if err != nil {
		return nil, fmt.Errorf("goldthread: %w", err)
	}
	return &Client{
		Profiles: v1.NewProfileServiceClient(conn),
		Resolver: v1.NewResolverServiceClient(conn),
		Steward:  v1.NewStewardServiceClient(conn),
		lookup:   v1.NewLookupServiceClient(conn),
		conn:     conn,
	}, nil
}

// Lookup says who an identifier belongs to. What can be expected is an Outcome; everything else is an *Error.
func (c *Client) Lookup(ctx context.Context, identifier *v1.Identifier) (*v1.LookupResponse, error) {
	return c.LookupSince(ctx, identifier, 0)
}

// LookupSince is Lookup as of a version of the ledger or later, such as ResolveResponse.LedgerVersion.
func (c *Client) LookupSince(
	ctx context.Context, identifier *v1.Identifier, minVersion int64,
) (*v1.LookupResponse, error) {
	return c.lookup.Lookup(ctx, &v1.LookupRequest{Identifier: identifier, MinVersion: minVersion})
}

// LookupMany is up to 100 lookups in one call, answered in their order: each has a Response, or a Failure with its reason.
func (c *Client) LookupMany(ctx context.Context, identifiers []*v1.Identifier) ([]*v1.BatchLookupResult, error) {
	requests := make([]*v1.LookupRequest, len(identifiers))
	for place, identifier := range identifiers {
		requests[place] = &v1.LookupRequest{Identifier: identifier}
	}
	answer, err := c.lookup.BatchLookup(ctx, &v1.BatchLookupRequest{Requests: requests})
	return answer.GetResults(), err
}

// Resolve takes an event and says whose it is. Durable once it returns without an error; repeating it is harmless.
func (c *Client) Resolve(ctx context.Context, event *v1.CustomerEvent) (*v1.ResolveResponse, error) {
	return c.Resolver.Resolve(ctx, &v1.ResolveRequest{Event: event})
}

// Close ends the connection; calls under way fail.
func (c *Client) Close() error {
	return c.conn.Close()
}

func (c Connection) intercept(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	timeout := orElse(c.CallTimeout, 10*time.Second)
	if method == v1.LookupService_Lookup_FullMethodName {
		timeout = orElse(c.LookupTimeout, 2*time.Second)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if c.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.Token)
	}
	return typed(invoke(ctx, method, request, reply, conn, options...))
}

func orElse(given, usual time.Duration) time.Duration {
	if given > 0 {
		return given
	}
	return usual
}
