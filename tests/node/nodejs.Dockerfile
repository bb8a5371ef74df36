# Node as PyPI has it, in the place of the Dockerfile's own base for the page.
FROM docker.io/library/python:3.11-slim-bookworm
COPY requirements/node.txt /tmp/node.txt
RUN python3 -m venv /opt/nodejs && /opt/nodejs/bin/pip install --no-cache-dir --require-hashes -r /tmp/node.txt
# The certificates are from outside, and Node knows of its own alone.
ENV PATH=/opt/nodejs/bin:/usr/bin:/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
