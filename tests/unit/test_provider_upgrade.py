"""Nothing is used that version 6 of the AWS provider takes away, as its upgrade guide lists it (docs/upgrading.md).

The guide: "Terraform AWS Provider Version 6 Upgrade Guide", in the documentation of hashicorp/terraform-provider-aws
"""

import re

import pytest

from tests.unit.test_links import ROOT, tracked

#: Types that the guide names, without "aws_": removed, deprecated, or with arguments or attributes that change. Those
#: of OpsWorks are all removed.
RESOURCES = """
accessanalyzer_archive_rule alb_target_group api_gateway_account api_gateway_deployment appflow_connector_profile
appflow_flow batch_compute_environment batch_job_queue bedrock_model_invocation_logging_configuration
cloudformation_stack_set_instance cloudfront_key_value_store cloudfront_response_headers_policy
cloudtrail_event_data_store cognito_user_in_group config_aggregate_authorization db_instance dms_endpoint
dx_gateway_association dx_hosted_connection ec2_spot_instance_fleet ecs_task_definition eip eks_addon
elasticache_cluster elasticache_replication_group elasticache_user elasticache_user_group
elastictranscoder_pipeline elastictranscoder_preset evidently_feature evidently_launch evidently_project
evidently_segment flow_log guardduty_detector guardduty_organization_configuration
imagebuilder_container_recipe imagebuilder_image_recipe instance kinesis_analytics_application launch_template
lb_listener lb_target_group media_store_container media_store_container_policy mq_broker
networkmanager_core_network opensearch_domain opensearchserverless_security_config paymentcryptography_key
redshift_cluster redshift_service_account rekognition_stream_processor resiliencehub_resiliency_policy s3_bucket
sagemaker_image_version sagemaker_notebook_instance servicequotas_template simpledb_domain spot_instance_request
ssm_association ssmincidents_replication_set verifiedpermissions_schema wafv2_web_acl worklink_fleet
worklink_website_certificate_authority_association
"""
DATA_SOURCES = """
ami batch_compute_environment ecs_task_definition ecs_task_execution elbv2_listener_rule
globalaccelerator_accelerator identitystore_group identitystore_user kms_secret launch_template opensearch_domain
opensearchserverless_security_config quicksight_data_set region s3_bucket service_discovery_service
servicequotas_templates ssmincidents_replication_set vpc_endpoint_service vpc_peering_connection
"""
#: Of those that are used nevertheless: what the guide changes, and what therefore may not occur.
NOT_TO_BE_USED = {
    "aws_api_gateway_deployment": {
        "stage_name",
        "stage_description",
        "canary_settings",
        "invoke_url",
        "execution_arn",
    },
    "aws_s3_bucket": {"region", "bucket_region"},
}
FILES = {path: path.read_text(encoding="utf-8") for path in tracked("*.tf")}


def used(kind: str) -> set[str]:
    """The types of all resources, or of all data sources."""
    return {name for text in FILES.values() for name in re.findall(rf'^{kind} "(aws_\w+)"', text, re.MULTILINE)}


def test_no_resource_is_used_that_changes_but_for_those_looked_at():
    assert len(used("resource")) > 30
    changed = {f"aws_{name}" for name in RESOURCES.split()}
    assert {name for name in used("resource") if name in changed or "_opsworks_" in name} == set(NOT_TO_BE_USED)


def test_no_data_source_is_used_that_changes():
    assert used("data")
    assert used("data") & {f"aws_{name}" for name in DATA_SOURCES.split()} == set()


@pytest.mark.parametrize("name", NOT_TO_BE_USED)
def test_what_changes_of_a_resource_is_neither_set_nor_read(name: str):
    found = set()
    for text in FILES.values():
        for block in re.findall(rf'^resource "{name}" "\w+" \{{\n(.+?)^\}}', text, re.MULTILINE | re.DOTALL):
            found |= set(re.findall(r"^  (\w+)\s*[={]", block, re.MULTILINE))
        found |= set(re.findall(rf"\b{name}\.\w+(?:\[[^\]]*\])?\.(\w+)", text))
    assert found
    assert found & NOT_TO_BE_USED[name] == set()


def test_no_resource_is_made_in_another_region_than_that_of_the_provider():
    blocks = [
        block
        for text in FILES.values()
        for block in re.findall(r'^(?:resource|data) "aws_\w+" "\w+" \{\n(.+?)^\}', text, re.MULTILINE | re.DOTALL)
    ]
    assert len(blocks) > 50
    assert [block for block in blocks if re.search(r"^  region\s*=", block, re.MULTILINE)] == []


def test_the_page_lists_every_type_that_is_used():
    page = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(aws_\w+)` \|", page, re.MULTILINE)) == used("resource")
    assert set(re.findall(r"^\| `(aws_\w+)` \(data source\) \|", page, re.MULTILINE)) == used("data")
