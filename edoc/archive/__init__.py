"""The archive: write-once objects under the digest of their bytes, on a local file system or on S3.

For the services of ``edoc``, which see only the protocol of ``objects.py``, and for ``api/bootstrap.py``, which
chooses between :class:`~edoc.archive.local.LocalObjectStore` and :class:`~edoc.archive.s3.S3ObjectStore`, and
for the worker, which runs :func:`~edoc.archive.sweep.sweep`.
"""
