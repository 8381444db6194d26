terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

# Only the region: credentials, endpoints and all else come from the environment, so that the same files work on AWS
# and, with AWS_ENDPOINT_URL set, on LocalStack.
provider "aws" {
  region = var.region
}
