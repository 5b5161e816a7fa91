"""Generated protobuf messages and gRPC stubs of `proto/goldthread/v1`."""
