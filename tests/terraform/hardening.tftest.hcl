# modules/aggregator: what organizations with stricter rules switch on.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales-aggregator" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/aws/lambda/sales-aggregator" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:sales-aggregator" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws-us-gov:s3:::sales-failures-123456789012-us-gov-west-1" }
  }
}

variables {
  name              = "sales"
  aggregates        = { total = { measures = { lines = { function = "count" } } } }
  source_stream_arn = "arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
  aggregate_table   = { name = "sales-aggregates", arn = "arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/sales-aggregates" }
  ledger_table      = { name = "sales-ledger", arn = "arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/sales-ledger" }
}

run "by_default_there_is_no_vpc_no_code_signing_and_no_key_of_the_log" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0 && aws_lambda_function.this.code_signing_config_arn == null
    error_message = "Each is a choice."
  }

  assert {
    condition     = aws_lambda_function.this.s3_bucket == null && aws_cloudwatch_log_group.this.kms_key_id == null
    error_message = "The package is the file, the log has the key of CloudWatch Logs."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this.policy, "ec2:")
    error_message = "Without a VPC the role may do nothing with network interfaces."
  }
}

run "the_log_can_have_a_key_of_ones_own" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    log_kms_key_arn = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.kms_key_id == "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    error_message = "The log group has the key."
  }
}

run "in_a_vpc_lambda_may_attach_the_function_and_its_code_may_not" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    vpc_config = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"]) && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-1"])
    error_message = "The function is in the given subnets."
  }

  assert {
    condition = slice(jsondecode(aws_iam_role_policy.this.policy).Statement, 6, 8) == [
      {
        Sid      = "AttachToVpc"
        Effect   = "Allow"
        Action   = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]
        Resource = "*"
      },
      {
        Sid       = "NotByTheFunction"
        Effect    = "Deny"
        Action    = ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"]
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:sales-aggregator" } }
      },
    ]
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = length(jsondecode(aws_iam_role_policy.this.policy).Statement) == 8
    error_message = "Nothing else is allowed in a VPC."
  }
}

run "the_package_can_be_a_signed_object_in_s3" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    package_object          = { bucket = "packages", key = "signed/aggregator.zip", version_id = "v7" }
    code_signing_config_arn = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
  }

  assert {
    condition     = aws_lambda_function.this.filename == null && aws_lambda_function.this.s3_bucket == "packages" && aws_lambda_function.this.s3_key == "signed/aggregator.zip" && aws_lambda_function.this.s3_object_version == "v7"
    error_message = "The function is that object, in that version."
  }

  assert {
    condition     = aws_lambda_function.this.code_signing_config_arn == "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
    error_message = "Lambda checks the signature."
  }

  assert {
    condition     = aws_lambda_invocation.check[0].triggers.package == "v7"
    error_message = "Another version is checked again."
  }
}

run "what_lambda_would_refuse_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    vpc_config              = { subnet_ids = [], security_group_ids = ["sg-1"] }
    code_signing_config_arn = "csc-0123456789abcdef0"
    log_kms_key_arn         = "alias/logs"
  }

  expect_failures = [var.vpc_config, var.code_signing_config_arn, var.log_kms_key_arn]
}

run "a_vpc_without_security_group_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    vpc_config = { subnet_ids = ["subnet-1"], security_group_ids = [] }
  }

  expect_failures = [var.vpc_config]
}

run "code_signing_of_the_unsigned_package_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    code_signing_config_arn = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
  }

  expect_failures = [var.code_signing_config_arn]
}

run "two_packages_are_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    package_path   = "dist/aggregator.zip"
    package_object = { bucket = "packages", key = "aggregator.zip", version_id = "v7" }
  }

  expect_failures = [var.package_object]
}

run "the_description_of_the_function_says_its_version" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition     = endswith(aws_lambda_function.this.description, " Version ${regex("VERSION = \"([0-9.]+)\"", file("lambda_src/aggregator/version.py"))[0]}.")
    error_message = aws_lambda_function.this.description
  }
}
