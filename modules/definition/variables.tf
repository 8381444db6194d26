variable "aggregates" {
  description = "The declared aggregates by name. What is refused, and why, is in the output problems."
  type = map(object({
    group_by       = optional(list(string), [])
    group_defaults = optional(map(string), {})
    where          = optional(string)
    time_bucket = optional(object({
      attribute      = optional(string)
      arrival        = optional(bool, false)
      unit           = optional(string)
      units          = optional(list(string))
      timezone       = optional(string, "UTC")
      retention_days = optional(number)
    }))
    measures = map(object({
      function = string
      value    = optional(string)
      scale    = optional(number)
      order_by = optional(string)
      accuracy = optional(number)
    }))
    rank_by      = optional(string)
    write_shards = optional(number)
  }))
  nullable = false

  validation {
    condition     = alltrue([for aggregate in values(var.aggregates) : aggregate == null ? false : aggregate.measures != null])
    error_message = "aggregates: every aggregate is an object with a map of measures. Null: ${join(", ", [for name, aggregate in var.aggregates : name if aggregate == null ? true : aggregate.measures == null])}."
  }
}

variable "append_only" {
  description = "Whether items of the source table never change."
  type        = bool
  default     = false
  nullable    = false
}

variable "reserved_attributes" {
  description = "Names that no measure may have because rows have such attributes, besides those that rows always have: other names of their keys and of their time of expiry."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "delivery" {
  description = "What the function remembers of what it has applied: ledger, watermark or none."
  type        = string
  default     = "ledger"
  nullable    = false
}
