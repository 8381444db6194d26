# Limits for each client, by its API key. The keys exist already: the value of one made here would stand in the state.

resource "aws_api_gateway_usage_plan" "this" {
  count = var.api_key == null ? 0 : 1

  name        = local.api_name
  description = "Limits of each key for the API ${local.api_name}."
  tags        = var.tags

  api_stages {
    api_id = aws_api_gateway_rest_api.this.id
    stage  = aws_api_gateway_stage.this.stage_name
  }

  dynamic "quota_settings" {
    for_each = var.api_key.quota[*]

    content {
      limit  = quota_settings.value.limit
      period = quota_settings.value.period
    }
  }

  dynamic "throttle_settings" {
    for_each = var.api_key.throttle[*]

    content {
      rate_limit  = throttle_settings.value.rate_limit
      burst_limit = throttle_settings.value.burst_limit
    }
  }
}

resource "aws_api_gateway_usage_plan_key" "this" {
  for_each = var.api_key == null ? {} : var.api_key.key_ids

  usage_plan_id = aws_api_gateway_usage_plan.this[0].id
  key_id        = each.value
  key_type      = "API_KEY"
}
