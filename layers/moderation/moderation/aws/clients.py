"""How clients have to be built for the adapters to work."""

import os

from botocore.config import Config


def s3_config() -> Config:
    """For every S3 client whose URLs leave this process.

    Only virtual-hosted addresses name the bucket's region. Without it a presigned form or URL points at the global
    endpoint, which redirects for a new bucket, and browsers do not follow a redirected upload. The local stack has
    one address for all buckets.
    """
    local = "AWS_ENDPOINT_URL" in os.environ or "AWS_ENDPOINT_URL_S3" in os.environ
    return Config(signature_version="s3v4", s3={"addressing_style": "path" if local else "virtual"})
