"""What the publisher asks for."""

import pytest
from botocore.stub import ANY

from moderation.aws.publisher import S3Publisher
from moderation.models.errors import Transient
from tests.unit.aws.conftest import MakeStub

KEY = "m/dmVyc2lvbg/3"


def test_the_cache_is_invalidated_even_when_nothing_was_left_to_delete(stub: MakeStub) -> None:
    s3, objects = stub("s3")
    cloudfront, cache = stub("cloudfront")
    objects.add_response("list_object_versions", {}, {"Bucket": "playback", "Prefix": KEY})
    cache.add_response(
        "create_invalidation",
        {},
        {
            "DistributionId": "EDFDVBD6EXAMPLE",
            "InvalidationBatch": {"Paths": {"Quantity": 1, "Items": [f"/{KEY}"]}, "CallerReference": ANY},
        },
    )
    S3Publisher(s3, "playback", cloudfront=cloudfront, distribution_id="EDFDVBD6EXAMPLE").delete(KEY)


def test_versions_that_stay_are_tried_again(stub: MakeStub) -> None:
    # GIVEN a bucket that does not delete one of two versions
    s3, objects = stub("s3")
    versions = [{"Key": KEY, "VersionId": "1"}, {"Key": KEY, "VersionId": "2"}]
    objects.add_response("list_object_versions", {"Versions": versions})
    objects.add_response("delete_objects", {"Errors": [{"Key": KEY, "VersionId": "2", "Code": "InternalError"}]})
    # THEN the copy is not taken for gone
    with pytest.raises(Transient, match="InternalError"):
        S3Publisher(s3, "playback").delete(KEY)


def test_too_many_invalidations_are_worth_another_try(stub: MakeStub) -> None:
    s3, objects = stub("s3")
    cloudfront, cache = stub("cloudfront")
    objects.add_response("list_object_versions", {})
    cache.add_client_error("create_invalidation", "TooManyInvalidationsInProgress", http_status_code=400)
    with pytest.raises(Transient):
        S3Publisher(s3, "playback", cloudfront=cloudfront, distribution_id="E").delete(KEY)
