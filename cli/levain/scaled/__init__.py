"""The stack of `levain up --scale`: the same parts as processes, on a RabbitMQ and a PostgreSQL that are found on this machine."""
