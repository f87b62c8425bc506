"""The lean path to SQS: a small HTTP/1.1 client and a signer for the operations that every job needs.

`signing` signs a request, `connection` carries one at a time, `pool` keeps connections, `client` makes calls of
them, and `opening` says whether the lean path can do all that aioboto3 is configured to do, and opens it. Credentials, region,
endpoint and every other operation stay with aioboto3.
"""
