locals {
  # What encrypts the source table, whoever has made it.
  source_kms_key_arn = var.existing_source_table == null ? var.kms_key_arn : var.existing_source_table.kms_key_arn

  # Null where create is false.
  tables     = one(module.tables)
  aggregator = one(module.aggregator)
}

module "tables" {
  source = "./modules/tables"
  count  = var.create ? 1 : 0

  name                       = var.name
  source_table               = var.source_table
  existing_source_table      = var.existing_source_table == null ? null : { stream_arn = var.existing_source_table.stream_arn }
  aggregates_in_source_table = var.aggregates_in_source_table
  create_ledger              = var.delivery == "ledger"
  ranked_measures            = toset(compact([for aggregate in values(var.aggregates) : try(aggregate.rank_by, null)]))
  point_in_time_recovery     = var.point_in_time_recovery
  deletion_protection        = var.deletion_protection
  kms_key_arn                = var.kms_key_arn
  provisioned_capacity       = var.provisioned_capacity
  tags                       = var.tags
}

module "aggregator" {
  source = "./modules/aggregator"
  count  = var.create ? 1 : 0

  name                    = var.name
  aggregates              = var.aggregates
  source_stream_arn       = local.tables.source_stream_arn
  source_kms_key_arn      = local.source_kms_key_arn
  aggregate_table         = local.tables.aggregate_table
  ledger_table            = var.delivery == "ledger" ? { name = local.tables.ledger_table_name, arn = local.tables.ledger_table_arn } : null
  delivery                = var.delivery
  tumbling_window_seconds = var.tumbling_window_seconds
  append_only             = var.append_only
  ledger_retention_days   = var.ledger_retention_days
  on_source_expiry        = var.on_source_expiry
  package_path            = var.package_path
  package_object          = var.package_object
  code_signing_config_arn = var.code_signing_config_arn
  vpc_config              = var.vpc_config
  memory_size             = var.memory_size
  timeout                 = var.timeout
  check_on_apply          = var.check_on_apply
  architecture            = var.architecture
  reserved_concurrency    = var.reserved_concurrency
  log_retention_days      = var.log_retention_days
  log_kms_key_arn         = var.log_kms_key_arn
  log_level               = var.log_level
  tracing                 = var.tracing
  event_source_mapping    = var.event_source_mapping
  kms_key_arn             = var.kms_key_arn
  tags                    = var.tags

  failure_bucket = {
    retention_days = var.failure_bucket.retention_days
    force_destroy  = coalesce(var.failure_bucket.force_destroy, !var.deletion_protection)
  }
}

module "api" {
  source = "./modules/api"
  count  = var.create && var.create_api ? 1 : 0

  name                   = var.name
  table                  = { name = local.tables.source_table_name, arn = local.tables.source_table_arn }
  hash_key               = var.source_table.hash_key
  range_key              = var.source_table.range_key
  reserved_key_prefix    = local.tables.aggregate_table.key_prefix
  attributes             = var.api.attributes
  methods                = var.api.methods
  authorization          = var.api.authorization
  authorizer             = var.api.authorizer
  api_key                = var.api.api_key
  access_log             = var.api.access_log ? { retention_days = var.log_retention_days, kms_key_arn = var.log_kms_key_arn } : null
  metrics_enabled        = var.api.metrics_enabled
  resource_policy        = var.api.resource_policy
  endpoint               = var.api.endpoint
  domain                 = var.api.domain
  web_acl                = var.api.web_acl
  cors                   = var.api.cors
  stage_name             = var.api.stage_name
  throttling_rate_limit  = var.api.throttling_rate_limit
  throttling_burst_limit = var.api.throttling_burst_limit
  tracing                = var.tracing
  kms_key_arn            = local.source_kms_key_arn
  tags                   = var.tags

  read = var.api.read == null ? null : {
    rows                    = local.aggregator.reading
    authorization           = var.api.read.authorization
    throttling              = var.api.read.throttling
    memory_size             = var.api.read.memory_size
    reserved_concurrency    = var.api.read.reserved_concurrency
    package_path            = var.package_path
    package_object          = var.package_object
    code_signing_config_arn = var.code_signing_config_arn
    architecture            = var.architecture
    log_retention_days      = var.log_retention_days
    log_kms_key_arn         = var.log_kms_key_arn
    log_level               = var.log_level
  }
}

module "backfill" {
  source = "./modules/backfill"
  count  = var.create && var.create_backfill ? 1 : 0

  name                    = var.name
  aggregator_function_arn = local.aggregator.function_arn
  source_table            = { name = local.tables.source_table_name, arn = local.tables.source_table_arn }
  aggregate_table         = local.tables.aggregate_table
  ledger_table            = { arn = local.tables.ledger_table_arn }
  max_concurrency         = var.backfill.max_concurrency
  memory_size             = var.backfill.memory_size
  timeout                 = var.backfill.timeout
  package_path            = var.package_path
  package_object          = var.package_object
  code_signing_config_arn = var.code_signing_config_arn
  architecture            = var.architecture
  log_retention_days      = var.log_retention_days
  log_kms_key_arn         = var.log_kms_key_arn
  log_level               = var.log_level
  kms_key_arn             = var.kms_key_arn
  source_kms_key_arn      = local.source_kms_key_arn
  tags                    = var.tags
}

module "monitoring" {
  source = "./modules/monitoring"
  count  = var.create && var.create_monitoring ? 1 : 0

  name                        = var.name
  function                    = { name = local.aggregator.function_name, arn = local.aggregator.function_arn, timeout = var.timeout }
  event_source_mapping_uuid   = local.aggregator.event_source_mapping_uuid
  delivery                    = var.delivery
  api                         = var.create_api ? { name = module.api[0].api_name, stage = module.api[0].stage_name } : null
  aggregates                  = keys(var.aggregates)
  alarms                      = var.monitoring.alarms
  create_topic                = var.monitoring.create_topic
  topic_arn                   = var.monitoring.topic_arn
  create_dashboard            = var.monitoring.create_dashboard
  runbooks_url                = var.monitoring.runbooks_url
  usd_per_million_write_units = var.monitoring.usd_per_million_write_units
  tags                        = var.tags

  # A table with both items and rows is watched once.
  tables = merge(
    { source = local.tables.source_table_name },
    var.aggregates_in_source_table ? {} : { aggregates = local.tables.aggregate_table_name },
    var.delivery == "ledger" ? { ledger = local.tables.ledger_table_name } : {},
  )
}

# Both modules came to have a count with create.
moved {
  from = module.tables
  to   = module.tables[0]
}

moved {
  from = module.aggregator
  to   = module.aggregator[0]
}
