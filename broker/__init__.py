"""Live progress of pipelines, told truthfully.

Read the packages in the order in which data flows through them:

    producer   reports what a pipeline does, as typed events
    model      the events, the state they fold to, cursors and subjects   (pure)
    stream     NATS JetStream: append, replay, follow
    views      (state, events) -> the messages a client sees              (pure)
    protocol   messages -> bytes on the wire                              (pure)
    hub        one watched run: fold once, frame once, write to everyone
    gateway    HTTP: snapshots, live streams, ingest; the composition root
    cli        flags and variables -> serve, demo, schema
"""

__version__ = "0.1.0"
