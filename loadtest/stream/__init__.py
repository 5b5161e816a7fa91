"""Events from Kafka to cards, at full speed: what a drained backlog costs, and how long an event takes until a register sees it."""
