# A domain name of one's own. Nothing of this is there where domain is null.

locals {
  # As clients find the API: the path of a custom domain name has no stage in it.
  url = var.domain == null ? aws_api_gateway_stage.this.invoke_url : join("/", compact([
    "https://${aws_api_gateway_base_path_mapping.this[0].domain_name}", var.domain.base_path,
  ]))
}

# TLS_1_2 takes TLS 1.2 and 1.3. The other policy that version 5 of the provider knows, TLS_1_0, takes what nobody should send.
resource "aws_api_gateway_domain_name" "this" {
  count = var.domain == null ? 0 : 1

  domain_name              = var.domain.name
  regional_certificate_arn = var.domain.certificate_arn
  security_policy          = "TLS_1_2"
  tags                     = var.tags

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_base_path_mapping" "this" {
  count = var.domain == null ? 0 : 1

  api_id      = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  domain_name = aws_api_gateway_domain_name.this[0].domain_name
  base_path   = var.domain.base_path
}
