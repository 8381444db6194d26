variable "aggregates" {
  description = "The declared aggregates by name. What is refused, and why, is in the output problems."
  type = map(object({
    group_by = optional(list(string), [])
    where    = optional(string)
    time_bucket = optional(object({
      attribute      = string
      unit           = string
      timezone       = optional(string, "UTC")
      retention_days = optional(number)
    }))
    measures = map(object({
      function = string
      value    = optional(string)
      scale    = optional(number)
    }))
  }))
  nullable = false

  validation {
    condition     = alltrue([for aggregate in values(var.aggregates) : aggregate == null ? false : aggregate.measures != null])
    error_message = "aggregates: every aggregate is an object with a map of measures. Null: ${join(", ", [for name, aggregate in var.aggregates : name if aggregate == null ? true : aggregate.measures == null])}."
  }
}
