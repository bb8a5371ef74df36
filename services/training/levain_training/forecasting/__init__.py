"""Trainers: the port, who is there, and how one is run. Worker -> child process -> here. Importing this imports no heavy library."""
