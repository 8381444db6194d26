# A table as another team may have it.
resource "aws_dynamodb_table" "this" {
  # checkov:skip=CKV_AWS_28:It plays another team's part.
  # checkov:skip=CKV2_AWS_16:It plays another team's part.

  name             = var.name
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "order_id"
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  attribute {
    name = "order_id"
    type = "S"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.this.arn
  }
}

resource "aws_kms_key" "this" {
  # checkov:skip=CKV2_AWS_64:Without a policy principals of the account may do what IAM allows them.

  description         = "Encrypts the table ${var.name}."
  enable_key_rotation = true
}
