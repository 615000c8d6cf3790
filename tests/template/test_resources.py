import json
import re
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from greenlight.keys import DEFAULT_SECRET, PARAMETER, parameter_value
from greenlight.paths import CHECKOUT
from moderation.aws.uploads import ENCRYPTION
from moderation.entrypoints.http import SCOPES
from moderation.models.media import MAX_COVERS
from moderation.services.templates import preset_names
from moderation.settings import Settings
from tests.template.shipped import properties_of

FOLDERS = {
    "UploadFunction": "upload",
    "IngestFunction": "ingest",
    "PlanFunction": "plan",
    "ExtractFunction": "extract",
    "ScanFramesFunction": "scan_frames",
    "ScanAudioFunction": "scan_audio",
    "ScanImagesFunction": "scan_images",
    "RefineFunction": "refine",
    "ScanTextFunction": "scan_text",
    "AggregateFunction": "aggregate",
    "FailJobFunction": "fail_job",
    "OutboxFunction": "outbox",
    "SweepFunction": "sweep",
    "WatchFunction": "watch",
    "PublishFunction": "publish",
    "PlaybackFunction": "playback",
    "MediaFunction": "media",
    "ReviewFunction": "review",
    "FeedbackFunction": "feedback",
}
ROUTES = {
    "POST /v1/uploads": "UploadFunction",
    "POST /v1/uploads/{media_id}/complete": "UploadFunction",
    "POST /v1/uploads/{media_id}/abort": "UploadFunction",
    "GET /v1/media/{media_id}": "MediaFunction",
    "DELETE /v1/media/{media_id}": "MediaFunction",
    "POST /v1/media/{media_id}/jobs": "MediaFunction",
    "GET /v1/jobs/{job_id}": "MediaFunction",
    "GET /v1/media/{media_id}/playback": "PlaybackFunction",
    "POST /v1/reviews": "ReviewFunction",
    "GET /v1/reviews": "ReviewFunction",
    "GET /v1/media/{media_id}/reviews": "ReviewFunction",
    "POST /v1/feedback": "FeedbackFunction",
    "GET /v1/feedback": "FeedbackFunction",
}
FFMPEG = ["FfmpegLayer"]
VISION = ["InferenceLayer", "WeightsVisionLayer"]
SOUND = ["InferenceLayer", "WeightsSoundLayer"]
TEXT = ["InferenceLayer", "WeightsTextLayer"]
MORE_LAYERS = {
    "PlanFunction": FFMPEG,
    "ExtractFunction": FFMPEG,
    "ScanFramesFunction": VISION,
    "ScanAudioFunction": SOUND,
    "ScanImagesFunction": VISION,
    "ScanTextFunction": TEXT,
}
BUCKETS = ["UploadsBucket", "ResultsBucket", "PlaybackBucket"]


def attribute(value: Any) -> str | None:
    """The logical name in {Fn::GetAtt: [name, …]}."""
    return value["Fn::GetAtt"][0] if isinstance(value, dict) and "Fn::GetAtt" in value else None


# ── functions ──


def test_every_function_is_its_own_folder(functions: dict[str, Any]):
    assert {name: f"functions/{folder}" for name, folder in FOLDERS.items()} == {
        name: properties["CodeUri"] for name, properties in functions.items()
    }
    assert {path.parent.name for path in (CHECKOUT / "functions").glob("*/app.py")} == set(FOLDERS.values())


def test_functions_get_the_layers_they_need_and_no_others(template: dict[str, Any], functions: dict[str, Any]):
    assert template["Globals"]["Function"]["Layers"] == [{"Ref": "ModerationLayer"}]
    layers = {name: [layer["Ref"] for layer in item["Layers"]] for name, item in functions.items() if "Layers" in item}
    assert layers == MORE_LAYERS


def test_every_function_and_layer_is_built_by_the_makefile_of_its_architecture(resources: dict[str, Any]):
    for name, resource in resources.items():
        if resource["Type"] in ("AWS::Serverless::Function", "AWS::Serverless::LayerVersion"):
            metadata = resource["Metadata"]
            assert metadata["BuildMethod"] == "makefile", name
            assert metadata["ContextPath"] == {"Fn::Sub": "packaging/${Architecture}"}, name
            assert metadata["WorkingDirectory"] == ".", name
    for architecture in ("arm64", "x86_64"):
        assert (CHECKOUT / "packaging" / architecture / "Makefile").is_file()


def test_functions_know_nothing_but_known_settings(functions: dict[str, Any]):
    known = {field.alias for field in Settings.model_fields.values()}
    for name, properties in functions.items():
        assert set(properties["Environment"]["Variables"]) <= known, name


@pytest.mark.parametrize(("seconds", "of"), [(600, "playback_ttl"), (3600, "upload_expiry")])
def test_durations_are_written_as_settings_read_them(functions: dict[str, Any], seconds: int, of: str):
    alias = Settings.model_fields[of].alias
    assert alias
    (written,) = [env[alias] for f in functions.values() if alias in (env := f["Environment"]["Variables"])]
    text = re.sub(r"\$\{\w+\}", str(seconds), written["Fn::Sub"])
    assert getattr(Settings.model_validate({alias: text}), of).total_seconds() == seconds


def test_every_function_logs_json_into_a_group_with_a_retention(resources: dict[str, Any], functions: dict[str, Any]):
    groups = properties_of(resources, "AWS::Logs::LogGroup")
    assert all("RetentionInDays" in group for group in groups.values())
    used = []
    for name, properties in functions.items():
        assert properties["LoggingConfig"]["LogFormat"] == "JSON", name
        used.append(properties["LoggingConfig"]["LogGroup"]["Ref"])
    assert len(set(used)) == len(functions)
    assert set(used) <= set(groups)


def test_every_function_is_traced(template: dict[str, Any], functions: dict[str, Any]):
    assert template["Globals"]["Function"]["Tracing"] == "Active"
    assert not [name for name, properties in functions.items() if "Tracing" in properties]


# ── the API ──


def test_routes_are_the_documented_ones_and_each_has_its_scope(functions: dict[str, Any]):
    routes = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}": name
        for name, properties in functions.items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }
    assert routes == ROUTES
    assert set(SCOPES) == set(ROUTES)


def test_no_route_is_open(resources: dict[str, Any], functions: dict[str, Any]):
    auth = resources["Api"]["Properties"]["Auth"]
    assert auth["DefaultAuthorizer"] in auth["Authorizers"]
    for name, properties in functions.items():
        for event in properties.get("Events", {}).values():
            assert "Auth" not in event["Properties"], f"{name} makes an exception"


def test_the_api_answers_before_its_gateway_gives_up(template: dict[str, Any], functions: dict[str, Any]):
    common = template["Globals"]["Function"]["Timeout"]
    for name in set(ROUTES.values()):
        assert functions[name].get("Timeout", common) < 30, name


def test_the_client_may_ask_for_every_scope(resources: dict[str, Any]):
    offered = {scope["ScopeName"] for scope in resources["Scopes"]["Properties"]["Scopes"]}
    assert offered == set(SCOPES.values())
    allowed = resources["MachineClient"]["Properties"]["AllowedOAuthScopes"]
    assert set(allowed) == {f"greenlight/{scope}" for scope in offered}


# ── queues ──


def test_every_queue_has_dead_letters_and_their_alarm(resources: dict[str, Any]):
    queues = properties_of(resources, "AWS::SQS::Queue")
    alarmed = {
        attribute(alarm["Dimensions"][0]["Value"]): alarm
        for alarm in properties_of(resources, "AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    }
    for name, queue in queues.items():
        dead_letters = attribute(queue["RedrivePolicy"]["deadLetterTargetArn"]) if "RedrivePolicy" in queue else name
        assert dead_letters in queues
        assert "RedrivePolicy" not in queues[dead_letters], name
        alarm = alarmed[dead_letters]
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
        assert "AlarmActions" in alarm


def test_a_message_stays_hidden_for_six_times_what_its_function_may_take(resources: dict[str, Any]):
    functions, queues = (properties_of(resources, f"AWS::{kind}") for kind in ("Serverless::Function", "SQS::Queue"))
    sources = properties_of(resources, "AWS::Lambda::EventSourceMapping")
    checked = 0
    for source in sources.values():
        queue = queues.get(attribute(source["EventSourceArn"]) or "")
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        if queue:
            assert queue["VisibilityTimeout"] >= 6 * functions[source["FunctionName"]["Ref"]]["Timeout"]
            checked += 1
        else:
            dead_letters = source["FunctionName"]["Ref"].replace("Function", "DeadLetters")
            assert attribute(source["DestinationConfig"]["OnFailure"]["Destination"]) == dead_letters
    assert checked == 2


# ── load ──

HEAVY = {
    name: name.replace("Function", "Concurrency")
    for name in FOLDERS
    if name in MORE_LAYERS or name in ("RefineFunction", "AggregateFunction")
}
"""Functions that take gigabytes or minutes, and the parameter that holds them back."""
ACCOUNT = 1000
"""What an account may run at once unless it asked for more."""


def concurrency_of_source(template: dict[str, Any], source: dict[str, Any]) -> int:
    most = source["ScalingConfig"]["MaximumConcurrency"]
    return int(template["Parameters"][most["Ref"]]["Default"] if isinstance(most, dict) else most)


def test_a_flood_of_uploads_leaves_concurrency_for_the_rest(template: dict[str, Any], functions: dict[str, Any]):
    reserved = {name: f["ReservedConcurrentExecutions"] for name, f in functions.items() if name in HEAVY}
    conditions = {name: parameter.replace("Concurrency", "") for name, parameter in HEAVY.items()}
    assert reserved == {
        name: {"Fn::If": [f"Reserve{conditions[name]}", {"Ref": parameter}, {"Ref": "AWS::NoValue"}]}
        for name, parameter in HEAVY.items()
    }
    assert [name for name, f in functions.items() if "ReservedConcurrentExecutions" in f] == list(reserved)
    for name in HEAVY:  # 0 = not reserved
        condition = template["Conditions"][f"Reserve{conditions[name]}"]
        assert condition == {"Fn::Not": [{"Fn::Equals": [{"Ref": HEAVY[name]}, 0]}]}
    # AND what the queues may bring at once fits into what is left, with at least 100 for the API
    queues = list(properties_of(template["Resources"], "AWS::Lambda::EventSourceMapping").values())
    brought = sum(concurrency_of_source(template, source) for source in queues if "ScalingConfig" in source)
    held_back = sum(template["Parameters"][parameter]["Default"] for parameter in HEAVY.values())
    assert held_back + brought <= ACCOUNT - 100


def test_queues_hold_back_what_cannot_be_done_now(template: dict[str, Any], resources: dict[str, Any]):
    queues = properties_of(resources, "AWS::SQS::Queue")
    for name, source in properties_of(resources, "AWS::Lambda::EventSourceMapping").items():
        queue = queues.get(attribute(source["EventSourceArn"]) or "")
        if queue:
            assert 2 <= concurrency_of_source(template, source) <= 50, name
            assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5, name
            assert queue["MessageRetentionPeriod"] == 14 * 86_400, name


def test_every_map_has_its_bound(machine: dict[str, Any], template: dict[str, Any]):
    segments, covers = (
        branch["States"][branch["StartAt"]]["MaxConcurrency"] for branch in machine["States"]["Look"]["Branches"]
    )
    assert covers == MAX_COVERS
    # one long video leaves room for nine others
    assert 1 <= segments <= template["Parameters"]["ExtractConcurrency"]["Default"] / 10


def test_the_budget_of_video_is_read_as_it_is_written(template: dict[str, Any], functions: dict[str, Any]):
    assert template["Parameters"]["DailyVideoHours"]["Default"] > 0
    alias = str(Settings.model_fields["daily_budget"].alias)
    (name,) = [name for name, f in functions.items() if alias in f["Environment"]["Variables"]]
    assert name == "PlanFunction"
    written = functions[name]["Environment"]["Variables"][alias]["Fn::Sub"]
    for hours in (0, 100, 100_000):
        text = written.replace("${DailyVideoHours}", str(hours))
        assert Settings.model_validate({alias: text}).daily_budget == timedelta(hours=hours)


def test_only_new_outbox_items_reach_the_outbox(resources: dict[str, Any]):
    (one,) = resources["OutboxSource"]["Properties"]["FilterCriteria"]["Filters"]
    assert json.loads(one["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "OUTBOX#"}]}}},
    }


def test_only_media_that_the_table_forgets_are_swept(resources: dict[str, Any]):
    (one,) = resources["SweepSource"]["Properties"]["FilterCriteria"]["Filters"]
    assert json.loads(one["Pattern"]) == {"eventName": ["REMOVE"], "dynamodb": {"Keys": {"sk": {"S": ["META"]}}}}


def test_runs_that_end_badly_close_their_job(functions: dict[str, Any]):
    rule = functions["FailJobFunction"]["Events"]["RunEnded"]["Properties"]
    assert rule["Pattern"]["detail"] == {
        "status": ["FAILED", "TIMED_OUT", "ABORTED"],
        "stateMachineArn": [{"Ref": "Moderation"}],
    }
    assert attribute(rule["DeadLetterConfig"]["Arn"]) == "FailJobDeadLetters"


# ── storage ──


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_are_versioned_encrypted_private_and_kept(resources: dict[str, Any], name: str):
    bucket, properties = resources[name], resources[name]["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert bucket["UpdateReplacePolicy"] == "Retain"
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    aborts = [rule for rule in plain_rules(properties) if "AbortIncompleteMultipartUpload" in rule]
    assert [rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in aborts] == [1]
    assert not any("Prefix" in rule for rule in aborts)


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_refuse_plain_http(resources: dict[str, Any], name: str):
    (policy,) = [
        policy["PolicyDocument"]
        for policy in properties_of(resources, "AWS::S3::BucketPolicy").values()
        if policy["Bucket"] == {"Ref": name}
    ]
    (deny,) = [statement for statement in policy["Statement"] if statement.get("Sid") == "OnlyOverTls"]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_uploads_lie_under_the_keys_of_s3(resources: dict[str, Any]):
    statements = {
        one["Sid"]: one for one in resources["UploadsBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    }
    for sid in ("OnlyUnderTheKeysOfS3", "NorUnderKeysSentAlong"):
        deny = statements[sid]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:PutObject")
    # A header that is not there names no key: what comes without it gets the bucket's encryption.
    assert statements["OnlyUnderTheKeysOfS3"]["Condition"] == {
        "StringNotEquals": {"s3:x-amz-server-side-encryption": ENCRYPTION},
        "Null": {"s3:x-amz-server-side-encryption": "false"},
    }
    customers = {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}
    assert statements["NorUnderKeysSentAlong"]["Condition"] == {"Null": customers}


def plain_rules(bucket: dict[str, Any]) -> list[dict[str, Any]]:
    """The lifecycle rules that are there in any case."""
    return [rule for rule in bucket["LifecycleConfiguration"]["Rules"] if "Fn::If" not in rule]


def test_what_is_made_of_a_media_is_kept_as_long_as_stated(resources: dict[str, Any]):
    rules = plain_rules(resources["ResultsBucket"]["Properties"])
    kept = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert kept == {"work/": 3, "traces/": 14, "evidence/": 14}


def test_the_first_version_of_an_upload_lives_as_long_as_its_media(resources: dict[str, Any]):
    uploads = resources["UploadsBucket"]["Properties"]
    # GIVEN that a second upload makes the moderated version a noncurrent one
    # THEN noncurrent versions expire only where originals expire, and not before them
    assert not any("NoncurrentVersionExpiration" in rule for rule in plain_rules(uploads))
    (limited,) = [rule["Fn::If"] for rule in uploads["LifecycleConfiguration"]["Rules"] if "Fn::If" in rule]
    condition, rule, otherwise = limited
    assert (condition, otherwise) == ("LimitOriginals", {"Ref": "AWS::NoValue"})
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": rule["ExpirationInDays"]}
    assert rule["ExpirationInDays"] == {"Ref": "OriginalRetentionDays"}


def test_uploads_reach_the_queue_without_a_circle(resources: dict[str, Any]):
    bucket = resources["UploadsBucket"]
    (notification,) = bucket["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert notification["Event"] == "s3:ObjectCreated:*"
    assert notification["Filter"] == {"S3Key": {"Rules": [{"Name": "prefix", "Value": "media/"}]}}
    assert bucket["DependsOn"] == "UploadsQueuePolicy"
    assert "UploadsBucket" not in json.dumps(resources["UploadsQueuePolicy"])


def test_the_table_can_be_restored_streams_and_forgets(resources: dict[str, Any]):
    table = resources["Table"]["Properties"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}


# ── playback ──


def test_nothing_plays_without_a_signature(resources: dict[str, Any]):
    distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
    behaviour = distribution["DefaultCacheBehavior"]
    assert behaviour["TrustedKeyGroups"] == [{"Ref": "PlaybackKeys"}]
    assert behaviour["ViewerProtocolPolicy"] == "https-only"
    assert "CacheBehaviors" not in distribution
    (origin,) = distribution["Origins"]
    assert attribute(origin["OriginAccessControlId"]) == "PlaybackAccess"
    headers = resources["PlaybackHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert headers["ContentTypeOptions"] == {"Override": True}


@pytest.mark.parametrize("slot", ["A", "B"])
def test_what_greenlight_keys_prints_becomes_the_key(template: dict[str, Any], slot: str):
    # GIVEN a public key as `greenlight keys` prints it
    key = generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    value = parameter_value(pem)
    parameter = template["Parameters"][PARAMETER[slot]]
    # WHEN CloudFormation takes it
    assert re.fullmatch(parameter["AllowedPattern"], value)
    config = template["Resources"][f"PlaybackKey{slot}"]["Properties"]["PublicKeyConfig"]
    newline, (begin, inner, end, last) = config["EncodedKey"]["Fn::Join"]
    assert inner == {"Fn::Join": [newline, {"Fn::Split": [",", {"Ref": PARAMETER[slot]}]}]}
    # THEN CloudFront gets the PEM
    assert newline.join([begin, newline.join(value.split(",")), end, last]) == pem


def test_the_secret_is_called_the_same_everywhere(template: dict[str, Any]):
    assert template["Parameters"]["PlaybackKeySecret"]["Default"] == DEFAULT_SECRET


# ── parameters and outputs ──


def test_parameters_are_described_bounded_and_grouped(template: dict[str, Any]):
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"])
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        bounded = (
            {"AllowedValues", "AllowedPattern"} if parameter["Type"] == "String" else {"AllowedValues", "MaxValue"}
        )
        assert bounded & set(parameter) or parameter["Type"] == "CommaDelimitedList", name
        assert "Default" in parameter, name


def test_every_preset_may_be_the_default_procedure(template: dict[str, Any]):
    allowed = template["Parameters"]["DefaultProcedure"]["AllowedPattern"]
    assert all(re.fullmatch(allowed, f"{name}_{mode}") for name in preset_names() for mode in ("pre", "post"))
    assert not re.fullmatch(allowed, "default")


def test_outputs_are_described(template: dict[str, Any]):
    assert all(output["Description"] for output in template["Outputs"].values())
    assert {"ApiUrl", "UploadsBucketName", "EventBusName", "StateMachineArn"} <= set(template["Outputs"])
