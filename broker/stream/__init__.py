"""The edge to NATS JetStream, and the only importer of `nats`: append, replay, follow."""
