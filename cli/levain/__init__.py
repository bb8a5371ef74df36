"""The command `levain`: a client of the API, and the composition of the embedded stack."""
