variable "name" {
  description = "Prefix of all names: the API and its role are <name>-api, with read its function and role <name>-read, with CUSTOM the authorizer's role <name>-authorizer."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,59}$", var.name))
    error_message = "name: use 1 to 60 letters, digits and hyphens, a letter first, so that <name>-api is the name of a role."
  }

  validation {
    condition     = !contains([var.authorization, try(var.read.authorization, "NONE")], "CUSTOM") || length(var.name) <= 53
    error_message = "name: with the authorization CUSTOM use at most 53 characters, so that <name>-authorizer is the name of a role."
  }

  validation {
    condition     = var.read == null || length(var.name) <= 59
    error_message = "name: with read use at most 59 characters, so that <name>-read is the name of a function and of a role."
  }
}

variable "table" {
  description = "Name and ARN of the table whose items are written."
  type        = object({ name = string, arn = string })
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.table.name)) && can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+$", var.table.arn))
    error_message = "table: use the name and the ARN of a DynamoDB table, arn:aws:dynamodb:<region>:<account>:table/<table>."
  }
}

variable "hash_key" {
  description = "Name and type of the table's hash key. The type is S or N."
  type        = object({ name = string, type = string })
  nullable    = false
}

variable "range_key" {
  description = "Name and type of the table's range key. The type is S or N. Null: the table has none."
  type        = object({ name = string, type = string })
  default     = null
}

variable "reserved_key_prefix" {
  description = "What the hash key of an item may not begin with, because rows in the table do. Empty: anything is allowed."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([A-Za-z0-9_#:/.=-]{1,64})?$", var.reserved_key_prefix))
    error_message = "reserved_key_prefix: use 1 to 64 letters, digits and _ # : / . = -, or leave it out."
  }
}

variable "attributes" {
  description = <<-EOT
    The attributes that a body may have, by name, the table's keys among them. Nothing else is stored.
    - `type`: S (string), N (number) or BOOL (true or false).
    - `required`: whether a body without it is refused.
    - `pattern`: of type S, regular expression that has a match in the text; with ^ and $ it is the whole text.
    - `min_length`, `max_length`: of type S, fewest and most characters.
    - `enum`: of type S, the texts that are allowed.
    - `minimum`, `maximum`: of type N, least and greatest number, both allowed.
    A key of type S that is not sent with POST is made by the server; a key of type N always has to be sent.
  EOT
  type = map(object({
    type       = string
    required   = optional(bool, false)
    pattern    = optional(string)
    min_length = optional(number)
    max_length = optional(number)
    enum       = optional(list(string))
    minimum    = optional(number)
    maximum    = optional(number)
  }))
  nullable = false

  # A name goes into the mapping template, where others would need quoting of three kinds.
  validation {
    condition     = alltrue([for name in keys(var.attributes) : can(regex("^[A-Za-z_][A-Za-z0-9_]{0,254}$", name))])
    error_message = "attributes: the API takes names of letters, digits and underscores, no digit first. Refused: ${join(", ", [for name in keys(var.attributes) : name if !can(regex("^[A-Za-z_][A-Za-z0-9_]{0,254}$", name))])}."
  }

  validation {
    condition     = var.reserved_key_prefix == "" || !contains(keys(var.attributes), "aggregate_row")
    error_message = "attributes: aggregate_row tells rows from the other items of the table, so that no item may have it. Rename the attribute."
  }

  validation {
    condition     = alltrue([for it in values(var.attributes) : contains(["S", "N", "BOOL"], it.type)])
    error_message = "attributes: the API takes the types \"S\" (string), \"N\" (number) and \"BOOL\" (true or false). Refused: ${join(", ", [for name, it in var.attributes : "${name} = \"${it.type}\"" if !contains(["S", "N", "BOOL"], it.type)])}."
  }

  validation {
    condition = alltrue([
      for key in [var.hash_key, var.range_key] :
      key == null ? true : contains(["S", "N"], key.type) && try(var.attributes[key.name].type, null) == key.type
    ])
    error_message = "attributes: declare the table's keys with the types that they have in the table, S or N. Missing or different: ${join(", ", [for key in [var.hash_key, var.range_key] : "${key.name} = { type = \"${key.type}\" }" if key == null ? false : !contains(["S", "N"], key.type) || try(var.attributes[key.name].type, null) != key.type])}."
  }

  validation {
    condition     = length([for name, it in var.attributes : name if anytrue(concat([for value in [it.pattern, it.min_length, it.max_length, it.enum] : value != null && it.type != "S"], [for value in [it.minimum, it.maximum] : value != null && it.type != "N"]))]) == 0
    error_message = "attributes: use pattern, min_length, max_length and enum with type \"S\", minimum and maximum with type \"N\". Refused: ${join(", ", [for name, it in var.attributes : name if anytrue(concat([for value in [it.pattern, it.min_length, it.max_length, it.enum] : value != null && it.type != "S"], [for value in [it.minimum, it.maximum] : value != null && it.type != "N"]))])}."
  }

  validation {
    condition     = length([for name, it in var.attributes : name if !alltrue([for length in [it.min_length, it.max_length] : length == null ? true : length >= 0 && floor(length) == length])]) == 0
    error_message = "attributes: use whole numbers of characters, 0 or more, for min_length and max_length. Refused: ${join(", ", [for name, it in var.attributes : name if !alltrue([for length in [it.min_length, it.max_length] : length == null ? true : length >= 0 && floor(length) == length])])}."
  }

  validation {
    condition     = length([for name, it in var.attributes : name if it.min_length == null || it.max_length == null ? false : it.min_length > it.max_length]) == 0
    error_message = "attributes: min_length is above max_length, so that no text would be allowed. Leave out or change one of them. Refused: ${join(", ", [for name, it in var.attributes : name if it.min_length == null || it.max_length == null ? false : it.min_length > it.max_length])}."
  }

  validation {
    condition     = length([for name, it in var.attributes : name if it.minimum == null || it.maximum == null ? false : it.minimum > it.maximum]) == 0
    error_message = "attributes: minimum is above maximum, so that no number would be allowed. Leave out or change one of them. Refused: ${join(", ", [for name, it in var.attributes : name if it.minimum == null || it.maximum == null ? false : it.minimum > it.maximum])}."
  }

  validation {
    condition     = length([for name, it in var.attributes : name if it.enum == null ? false : length(it.enum) == 0]) == 0
    error_message = "attributes: an empty enum would allow no text. Give it the texts that are allowed, or leave enum out. Refused: ${join(", ", [for name, it in var.attributes : name if it.enum == null ? false : length(it.enum) == 0])}."
  }

  # regexall() is RE2, API Gateway reads ECMA 262. What both read is the larger part of either.
  validation {
    condition     = length([for name, it in var.attributes : name if it.pattern == null ? false : !can(regexall(it.pattern, ""))]) == 0
    error_message = "attributes: Terraform cannot read the pattern. Use what RE2 (Terraform) and ECMA 262 (API Gateway) both have, without look-around and backreferences. Refused: ${join(", ", [for name, it in var.attributes : name if it.pattern == null ? false : !can(regexall(it.pattern, ""))])}."
  }

  validation {
    condition     = length([for key in [var.hash_key, var.range_key] : key.name if key == null ? false : try(!var.attributes[key.name].required && anytrue([for field in ["pattern", "min_length", "max_length", "enum"] : var.attributes[key.name][field] != null]), false)]) == 0
    error_message = "attributes: a key that is not sent is made by the server, which does not know what it has to satisfy. Set required = true, or leave pattern, min_length, max_length and enum out. Refused: ${join(", ", [for key in [var.hash_key, var.range_key] : key.name if key == null ? false : try(!var.attributes[key.name].required && anytrue([for field in ["pattern", "min_length", "max_length", "enum"] : var.attributes[key.name][field] != null]), false)])}."
  }

  validation {
    condition     = length([for name, limit in local.key_lengths : name if try(coalesce(var.attributes[name].min_length, limit.min) > limit.max || coalesce(var.attributes[name].max_length, limit.max) < limit.min, false)]) == 0
    error_message = "attributes: a key has 1 to 2048 (hash key) or 1024 (range key) bytes, so that no text would be allowed. Use a min_length and a max_length in between. Refused: ${join(", ", [for name, limit in local.key_lengths : name if try(coalesce(var.attributes[name].min_length, limit.min) > limit.max || coalesce(var.attributes[name].max_length, limit.max) < limit.min, false)])}."
  }
}

variable "methods" {
  description = "Ways of writing: POST (one new item, /items), BATCH (up to 25 new items, all or nothing, /batch), PUT and DELETE (one item by its key, /items/<hash key>/<range key>). The role may do what they need and nothing else."
  type        = set(string)
  default     = ["POST"]
  nullable    = false

  validation {
    condition     = length(var.methods) > 0 && length(setsubtract(var.methods, ["POST", "BATCH", "PUT", "DELETE"])) == 0
    error_message = "methods: use at least one of \"POST\", \"BATCH\", \"PUT\" and \"DELETE\"."
  }

  validation {
    condition     = !contains(var.methods, "PUT") || length([for key in [var.hash_key, var.range_key] : key.name if key == null ? false : try(anytrue([for field in ["pattern", "min_length", "max_length", "enum", "minimum", "maximum"] : var.attributes[key.name][field] != null]), false)]) == 0
    error_message = "methods: PUT takes the keys from the path, where nothing checks more than DynamoDB does. Leave out PUT, or the restrictions of ${join(", ", [for key in [var.hash_key, var.range_key] : key.name if key == null ? false : try(anytrue([for field in ["pattern", "min_length", "max_length", "enum", "minimum", "maximum"] : var.attributes[key.name][field] != null]), false)])}."
  }
}

variable "authorization" {
  description = "Who may write items: AWS_IAM demands a request signed by a principal with execute-api:Invoke, COGNITO_USER_POOLS a token of a user pool, CUSTOM asks a function (both by authorizer); NONE lets everybody in."
  type        = string
  default     = "AWS_IAM"
  nullable    = false

  validation {
    condition     = contains(["AWS_IAM", "COGNITO_USER_POOLS", "CUSTOM", "NONE"], var.authorization)
    error_message = "authorization: use \"AWS_IAM\", \"COGNITO_USER_POOLS\", \"CUSTOM\", or \"NONE\" for an API that everybody may write to."
  }
}

variable "authorizer" {
  description = <<-EOT
    What decides where authorization, for writing or for reading, is COGNITO_USER_POOLS or CUSTOM.
    - `user_pool_arns`: ARNs of the Cognito user pools whose tokens are taken.
    - `write_scopes`, `read_scopes`: an access token needs one of these scopes to write items, and to read. Left out: any token of the pools will do.
    - `function`: the function that CUSTOM asks: its `arn`, with alias or version or without, and the `type` of event that it takes: REQUEST (the request) or TOKEN (one header).
    - `identity_sources`: where CUSTOM finds who calls, method.request.header.<name> or method.request.querystring.<name>. A request without one of them is refused with 401, and the function not asked. TOKEN has one header.
    - `result_ttl_seconds`: how long the function's policy holds for the same identity, for all paths and methods; 0 asks for each request. It has to allow all that the caller may do, or be 0.
  EOT
  type = object({
    user_pool_arns     = optional(set(string), [])
    write_scopes       = optional(set(string), [])
    read_scopes        = optional(set(string), [])
    function           = optional(object({ arn = string, type = optional(string, "REQUEST") }))
    identity_sources   = optional(list(string), ["method.request.header.Authorization"])
    result_ttl_seconds = optional(number, 300)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([var.authorization, try(var.read.authorization, "NONE")], "COGNITO_USER_POOLS") ? length(var.authorizer.user_pool_arns) > 0 : length(setunion(var.authorizer.user_pool_arns, var.authorizer.write_scopes, var.authorizer.read_scopes)) == 0
    error_message = "authorizer.user_pool_arns: name the user pools where an authorization is COGNITO_USER_POOLS, and leave them and the scopes out where none is."
  }

  validation {
    condition     = alltrue([for arn in var.authorizer.user_pool_arns : can(regex("^arn:[^:]+:cognito-idp:[^:]+:[0-9]{12}:userpool/.+$", arn))])
    error_message = "authorizer.user_pool_arns: use ARNs of user pools, arn:aws:cognito-idp:<region>:<account>:userpool/<id>."
  }

  validation {
    condition     = length(var.authorizer.write_scopes) == 0 || var.authorization == "COGNITO_USER_POOLS"
    error_message = "authorizer.write_scopes: only tokens of a user pool have scopes. Set authorization = \"COGNITO_USER_POOLS\", or leave write_scopes out."
  }

  validation {
    condition     = length(var.authorizer.read_scopes) == 0 || try(var.read.authorization, "NONE") == "COGNITO_USER_POOLS"
    error_message = "authorizer.read_scopes: only tokens of a user pool have scopes. Set read.authorization = \"COGNITO_USER_POOLS\", or leave read_scopes out."
  }

  validation {
    condition     = contains([var.authorization, try(var.read.authorization, "NONE")], "CUSTOM") == (var.authorizer.function != null)
    error_message = "authorizer.function: name the function where an authorization is CUSTOM, and leave it out where none is."
  }

  validation {
    condition     = var.authorizer.function == null ? true : can(regex("^arn:[^:]+:lambda:[^:]+:[0-9]{12}:function:[^:]+(:[^:]+)?$", var.authorizer.function.arn))
    error_message = "authorizer.function: use the ARN of a function, arn:aws:lambda:<region>:<account>:function:<name>, not its invoke ARN."
  }

  validation {
    condition     = var.authorizer.function == null ? true : contains(["REQUEST", "TOKEN"], var.authorizer.function.type)
    error_message = "authorizer.function: use the type \"REQUEST\" or \"TOKEN\"."
  }

  validation {
    condition     = length(var.authorizer.identity_sources) > 0 && alltrue([for it in var.authorizer.identity_sources : can(regex("^method\\.request\\.(header|querystring)\\.[A-Za-z0-9_-]+$", it))])
    error_message = "authorizer.identity_sources: use method.request.header.<name> or method.request.querystring.<name>, at least one."
  }

  validation {
    condition     = try(var.authorizer.function.type, "REQUEST") == "REQUEST" || (length(var.authorizer.identity_sources) == 1 && startswith(join("", var.authorizer.identity_sources), "method.request.header."))
    error_message = "authorizer.identity_sources: a function of type TOKEN gets one header. Name one, method.request.header.<name>."
  }

  validation {
    condition     = var.authorizer.result_ttl_seconds >= 0 && var.authorizer.result_ttl_seconds <= 3600 && floor(var.authorizer.result_ttl_seconds) == var.authorizer.result_ttl_seconds
    error_message = "authorizer.result_ttl_seconds: use a whole number of seconds from 0 to 3600."
  }
}

variable "api_key" {
  description = <<-EOT
    API keys, which every request brings in the header x-api-key on top of the authorization, and a usage plan with limits for each. Null: none is needed. A key tells clients apart; it is no proof of who calls.
    - `key_ids`: ids of existing keys, by a name of yours for each client. No key is made: its value would stand in the state.
    - `quota`: requests of a key (`limit`) in a `period`: DAY, WEEK or MONTH. Left out: as many as it likes.
    - `throttle`: requests of a key, `rate_limit` a second on average and `burst_limit` at once. Left out: those of the stage.
  EOT
  type = object({
    key_ids  = optional(map(string), {})
    quota    = optional(object({ limit = number, period = string }))
    throttle = optional(object({ rate_limit = number, burst_limit = number }))
  })
  default = null

  validation {
    condition     = try(var.api_key.quota, null) == null ? true : contains(["DAY", "WEEK", "MONTH"], var.api_key.quota.period) && var.api_key.quota.limit >= 1 && floor(var.api_key.quota.limit) == var.api_key.quota.limit
    error_message = "api_key.quota: use a limit of a whole number of requests of at least 1, and the period \"DAY\", \"WEEK\" or \"MONTH\"."
  }

  validation {
    condition     = try(var.api_key.throttle, null) == null ? true : var.api_key.throttle.rate_limit > 0 && var.api_key.throttle.burst_limit >= 1 && floor(var.api_key.throttle.burst_limit) == var.api_key.throttle.burst_limit
    error_message = "api_key.throttle: use a rate_limit above 0, in requests a second, and a burst_limit of a whole number of requests of at least 1."
  }
}

variable "resource_policy" {
  description = "Policy of the API itself, whom it lets in from where, in `json`, besides the authorization. Its resources are execute-api:/<stage>/<method>/<path>, execute-api:/* for all. Null: none."
  type        = object({ json = string })
  default     = null

  validation {
    condition     = var.resource_policy == null ? true : can(jsondecode(var.resource_policy.json).Statement)
    error_message = "resource_policy: use a policy document in JSON with statements, such as aws_iam_policy_document gives."
  }
}

variable "endpoint" {
  description = <<-EOT
    From where the API is reached.
    - `type`: REGIONAL, from everywhere, or PRIVATE, from VPCs by an interface endpoint for execute-api. PRIVATE needs a resource_policy.
    - `vpc_endpoint_ids`: with PRIVATE, the endpoints that get an address of their own for the API. Left out: none.
  EOT
  type = object({
    type             = optional(string, "REGIONAL")
    vpc_endpoint_ids = optional(set(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["REGIONAL", "PRIVATE"], var.endpoint.type)
    error_message = "endpoint.type: use \"REGIONAL\" or \"PRIVATE\"."
  }

  validation {
    condition     = var.endpoint.type != "PRIVATE" || var.resource_policy != null
    error_message = "endpoint.type: a PRIVATE API lets nobody in without a policy. Say by resource_policy which VPC or endpoint may call it."
  }

  validation {
    condition     = var.endpoint.type == "PRIVATE" || length(var.endpoint.vpc_endpoint_ids) == 0
    error_message = "endpoint.vpc_endpoint_ids: only a PRIVATE API has VPC endpoints. Set type = \"PRIVATE\", or leave them out."
  }
}

variable "domain" {
  description = <<-EOT
    A domain name of one's own for the API, regional, with TLS 1.2 and 1.3. Null: the API is reached by the address that API Gateway gives it. The module makes no DNS record: see the output `domain_target`.
    - `name`: the host name, such as api.example.com.
    - `certificate_arn`: ARN of the name's certificate in ACM, in the region of the API.
    - `base_path`: first part of the path, which leaves room for other APIs under the name. Left out: none.
    - `disable_execute_api_endpoint`: whether the address that API Gateway gives answers 403, so that all requests come by the name.
  EOT
  type = object({
    name                         = string
    certificate_arn              = string
    base_path                    = optional(string)
    disable_execute_api_endpoint = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.domain == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", var.domain.name))
    error_message = "domain.name: use one host name in lower case, such as api.example.com, without https://, path or wildcard: the URL of the API is made of it."
  }

  validation {
    condition     = var.domain == null ? true : can(regex("^arn:[^:]+:acm:[^:]+:[0-9]{12}:certificate/.+$", var.domain.certificate_arn))
    error_message = "domain.certificate_arn: use the ARN of a certificate in ACM, arn:aws:acm:<region>:<account>:certificate/<id>."
  }

  validation {
    condition     = var.domain == null ? true : try(split(":", var.domain.certificate_arn)[3] == local.region, true)
    error_message = "domain.certificate_arn: use a certificate of the region of the API, ${local.region}. Only edge-optimized names, which are not made here, have theirs in us-east-1."
  }

  validation {
    condition     = try(var.domain.base_path, null) == null ? true : can(regex("^[A-Za-z0-9_-][A-Za-z0-9._-]*$", var.domain.base_path))
    error_message = "domain.base_path: use letters, digits and - _ . without a slash, or leave it out."
  }

  validation {
    condition     = var.domain == null || var.endpoint.type == "REGIONAL"
    error_message = "domain: the name is one for everywhere, and leads to no PRIVATE API. Leave domain out, or set endpoint.type = \"REGIONAL\"."
  }
}

variable "cors" {
  description = <<-EOT
    Cross-origin resource sharing: lets pages of another origin call the API from a browser. Null: browsers refuse it. Who may call is another matter, which authorization decides; cookies are not allowed.
    - `allow_origin`: the origin of the pages, such as https://shop.example.com, or * for all.
    - `allow_headers`: headers that pages may send besides those that the API reads, such as of traces.
    - `max_age_seconds`: how long a browser may keep what it was told, 0 to 86400. Some keep it for less.
  EOT
  type = object({
    allow_origin    = string
    allow_headers   = optional(set(string), [])
    max_age_seconds = optional(number, 3600)
  })
  default = null

  validation {
    condition     = var.cors == null ? true : can(regex("^([*]|[a-z][a-z0-9+.-]*://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?)$", var.cors.allow_origin))
    error_message = "cors.allow_origin: use one origin as browsers send it, in lower case and without a slash at the end, such as https://shop.example.com, or \"*\". Several are not taken: to what does not reach the table, such as 403 and 429, API Gateway adds a fixed text, which cannot depend on the request."
  }

  validation {
    condition     = var.cors == null ? true : alltrue([for name in var.cors.allow_headers : can(regex("^[A-Za-z0-9_-]+$", name))])
    error_message = "cors.allow_headers: use names of headers, of letters, digits, hyphens and underscores. \"*\" is not taken: browsers except Authorization from it."
  }

  validation {
    condition     = var.cors == null ? true : var.cors.max_age_seconds >= 0 && var.cors.max_age_seconds <= 86400 && floor(var.cors.max_age_seconds) == var.cors.max_age_seconds
    error_message = "cors.max_age_seconds: use a whole number of seconds from 0 to 86400."
  }
}

variable "web_acl" {
  description = "Web ACL of AWS WAF that looks at all requests first, by its `arn`. Those that it blocks are answered with 403. Null: none."
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.web_acl == null ? true : can(regex("^arn:[^:]+:wafv2:[^:]+:[0-9]{12}:regional/webacl/[^/]+/[^/]+$", var.web_acl.arn))
    error_message = "web_acl.arn: use the ARN of a web ACL of the scope REGIONAL, arn:aws:wafv2:<region>:<account>:regional/webacl/<name>/<id>. One of the scope CLOUDFRONT stands before no API."
  }
}

variable "stage_name" {
  description = "Name of the stage, the first part of the path."
  type        = string
  default     = "v1"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.stage_name))
    error_message = "stage_name: use 1 to 128 letters, digits, hyphens and underscores."
  }
}

variable "throttling_rate_limit" {
  description = "Requests a second that the stage takes on average; more are answered with 429."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.throttling_rate_limit > 0
    error_message = "throttling_rate_limit: use a number of requests a second above 0."
  }
}

variable "throttling_burst_limit" {
  description = "Requests that the stage takes at once, before the rate limit counts."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = var.throttling_burst_limit >= 1 && floor(var.throttling_burst_limit) == var.throttling_burst_limit
    error_message = "throttling_burst_limit: use a whole number of requests of at least 1."
  }
}

variable "read" {
  description = <<-EOT
    Reading of rows: GET /aggregates and below. Null: the API only writes items.
    - `rows`: the output `reading` of modules/aggregator: what the rows are, and where.
    - `authorization`: who may read: AWS_IAM, COGNITO_USER_POOLS, CUSTOM or NONE, as for writing.
    - `throttling`: limits for reads apart from those of the stage, for each path: `rate_limit`, requests a second on average, and `burst_limit`, requests at once; more are answered with 429. Left out: the stage's.
    - `package_path`: path of the function's zip file. Left out: dist/aggregator.zip of this repository.
    - `package_object`: instead, the object in S3 with it: `bucket`, `key` and `version_id`.
    - `code_signing_config_arn`: ARN of the code signing configuration that the package has to satisfy. Left out: none.
    - `memory_size`: memory of the function in MB, 128 to 10240. Its share of CPU grows with it.
    - `architecture`: processor of the function: arm64 or x86_64.
    - `reserved_concurrency`: invocations at a time that are set aside for the function, and its limit. Left out: it takes from what the account has.
    - `log_retention_days`: days that CloudWatch keeps the function's log. 0: for ever.
    - `log_kms_key_arn`: ARN of the customer managed KMS key that encrypts the log. Left out: the key of CloudWatch Logs.
    - `log_level`: least severe messages of the function that are logged: DEBUG, INFO, WARN or ERROR. Only DEBUG shows data of items.
  EOT
  type = object({
    rows = object({
      environment       = map(string)
      table_arn         = string
      key_prefix        = string
      kms_key_arn       = optional(string)
      table_kms_key_arn = optional(string)
      ranked_measures   = set(string)
      aggregates        = map(object({ group_by = list(string), units = list(string), measures = map(string), rank_by = optional(string) }))
    })
    authorization           = optional(string, "AWS_IAM")
    throttling              = optional(object({ rate_limit = number, burst_limit = number }))
    package_path            = optional(string)
    package_object          = optional(object({ bucket = string, key = string, version_id = string }))
    code_signing_config_arn = optional(string)
    memory_size             = optional(number, 512)
    architecture            = optional(string, "arm64")
    reserved_concurrency    = optional(number)
    log_retention_days      = optional(number, 30)
    log_kms_key_arn         = optional(string)
    log_level               = optional(string, "INFO")
  })
  default = null

  validation {
    condition     = var.read == null ? true : contains(["AWS_IAM", "COGNITO_USER_POOLS", "CUSTOM", "NONE"], var.read.authorization)
    error_message = "read.authorization: use \"AWS_IAM\", \"COGNITO_USER_POOLS\", \"CUSTOM\", or \"NONE\" for rows that everybody may read."
  }

  validation {
    condition     = try(var.read.throttling, null) == null ? true : var.read.throttling.rate_limit > 0 && var.read.throttling.burst_limit >= 1 && floor(var.read.throttling.burst_limit) == var.read.throttling.burst_limit
    error_message = "read.throttling: use a rate_limit above 0, in requests a second, and a burst_limit of a whole number of requests of at least 1."
  }

  validation {
    condition     = try(var.read.package_path, null) == null ? true : fileexists(var.read.package_path)
    error_message = "read.package_path: there is no file at this path. Name a built zip file, or leave it out to use the one that comes with the module."
  }

  validation {
    condition     = try(var.read.package_object, null) == null || try(var.read.package_path, null) == null
    error_message = "read.package_object: read.package_path names a package too. Leave one of them out."
  }

  validation {
    condition     = try(var.read.code_signing_config_arn, null) == null || try(var.read.package_path, null) != null || try(var.read.package_object, null) != null
    error_message = "read.code_signing_config_arn: the package that comes with the module is not signed, so Lambda would refuse it or warn of it. Sign dist/aggregator.zip with AWS Signer and name the result by read.package_object or read.package_path."
  }

  validation {
    condition     = var.read == null ? true : var.read.memory_size >= 128 && var.read.memory_size <= 10240 && floor(var.read.memory_size) == var.read.memory_size
    error_message = "read.memory_size: use a whole number of MB from 128 to 10240."
  }

  validation {
    condition     = var.read == null ? true : contains(["arm64", "x86_64"], var.read.architecture)
    error_message = "read.architecture: use \"arm64\" or \"x86_64\"."
  }

  validation {
    condition     = try(var.read.reserved_concurrency, null) == null ? true : var.read.reserved_concurrency >= 1 && floor(var.read.reserved_concurrency) == var.read.reserved_concurrency
    error_message = "read.reserved_concurrency: use a whole number of at least 1, or leave it out. To have no reading, leave read out."
  }

  validation {
    condition     = var.read == null ? true : contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.read.log_retention_days)
    error_message = "read.log_retention_days: use what CloudWatch accepts: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653 days, and 0 for ever."
  }

  validation {
    condition     = var.read == null ? true : contains(["DEBUG", "INFO", "WARN", "ERROR"], var.read.log_level)
    error_message = "read.log_level: use \"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"."
  }
}

variable "kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the tables and the function's environment. Null: the key that AWS owns."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn: use the ARN of a key, arn:aws:kms:<region>:<account>:key/<id>. An alias or a bare key id is not enough."
  }
}

variable "access_log" {
  description = <<-EOT
    A log with a line in JSON for each request, without bodies and queries, in a group of its own, /aws/apigateway/<name>-api. Null: none. API Gateway writes it with the CloudWatch role of the account and region (aws_api_gateway_account), which this module does not set, because all APIs share it; without it AWS refuses the stage.
    - `retention_days`: days that CloudWatch keeps the log. 0: for ever.
    - `kms_key_arn`: ARN of the customer managed KMS key that encrypts the log. Left out: the key of CloudWatch Logs.
  EOT
  type = object({
    retention_days = optional(number, 30)
    kms_key_arn    = optional(string)
  })
  default = null

  validation {
    condition     = var.access_log == null ? true : contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.access_log.retention_days)
    error_message = "access_log.retention_days: use what CloudWatch accepts: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653 days, and 0 for ever."
  }
}

variable "metrics_enabled" {
  description = "Whether CloudWatch has metrics for each method and path, besides those of the stage, which are always there. They are charged as custom metrics."
  type        = bool
  default     = false
  nullable    = false
}

variable "tracing" {
  description = "Whether AWS X-Ray traces requests to the stage, sampled. API Gateway makes its service-linked role for that by itself."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
