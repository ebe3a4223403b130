"""The field's standard servers (Kafka, PostgreSQL, Redis), started on loopback from what the machine has."""
