variable "name" {
  description = "Prefix of all names. Give every stack in an account its own."
  type        = string
  default     = "ci-orders"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 26
    error_message = "name: use 1 to 26 lower case letters, digits and single hyphens, a letter first and no hyphen last."
  }
}

variable "region" {
  description = "AWS region of all resources."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region: use the code of a region, such as \"us-east-1\"."
  }
}

variable "deletion_protection" {
  description = "Whether the tables, and the failure bucket while it has records, are protected from a destroy."
  type        = bool
  default     = true
  nullable    = false
}
