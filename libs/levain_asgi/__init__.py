"""What both ASGI processes need around their apps."""
