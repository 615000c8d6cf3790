"""The functions on AWS adapters over moto, as in the contract tests."""

from tests.contract.conftest import aws, dynamodb, new_bucket, s3, table
from tests.contract.test_handlers import deployment

__all__ = ["aws", "deployment", "dynamodb", "new_bucket", "s3", "table"]
