module "stats" {
  source = "../.."

  name                = var.name
  deletion_protection = var.deletion_protection

  # The table and its key are another team's. What is made here has a key of its own.
  source_table          = { hash_key = { name = "order_id", type = "S" } }
  existing_source_table = { stream_arn = var.stream_arn, kms_key_arn = var.source_kms_key_arn }
  kms_key_arn           = aws_kms_key.this.arn

  aggregates = {
    orders_by_customer = {
      group_by = ["customer"]
      measures = {
        orders  = { function = "count" }
        revenue = { function = "sum", value = "amount" }
      }
    }
  }
}

resource "aws_kms_key" "this" {
  description         = "Encrypts the aggregates of ${var.name}."
  enable_key_rotation = true

  # What a key without a policy gets: principals of the account may do what IAM allows them.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowedByIam"
      Effect    = "Allow"
      Principal = { AWS = "arn:${split(":", var.stream_arn)[1]}:iam::${split(":", var.stream_arn)[4]}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}
