# The rules that a definition of aggregates has to keep, each written once, and the form in which a function gets it.
# It makes no resources. Every module whose function needs the definition calls this one and refuses to go on while
# there are problems (a precondition on its function): a definition is judged the same way everywhere.
#
# Why not `validation` blocks of the variable: a validation may not use a local value that is made from its own variable
# (Terraform sees a cycle), so each rule would stand twice, in the condition and again in the message that lists the
# offenders. Here all problems are found at once, each with its place, and tests can compare the messages word for word.

locals {
  # A later function is one word here; needs_value says whether it wants an expression.
  functions   = ["avg", "count", "sum"]
  needs_value = ["avg", "sum"]
  units       = ["minute", "hour", "day", "week", "month", "quarter", "year"]

  # What may stand before an opening parenthesis in an expression: functions, and the operators that are words.
  expression_functions = ["abs", "coalesce", "exists", "length", "lower", "round", "upper"]
  expression_operators = ["and", "in", "not", "or"]

  # Attributes that every row has.
  reserved = ["aggregate", "bucket", "bucket_start", "expires_at", "group", "items", "pk", "revision", "sk"]

  name_pattern = "^[a-z][a-z0-9_]{0,62}$"
  name_rule    = "Use a lower case letter, then up to 62 lower case letters, digits and underscores."

  # As in lambda_src/aggregator/items.py.
  path_pattern = "^[A-Za-z_][A-Za-z0-9_-]*(\\.[A-Za-z_][A-Za-z0-9_-]*|\\[[0-9]+\\])*$"
  path_rule    = "Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku."

  # What people bring from other languages, and what Python has and this language has not.
  not_allowed = ";|\\*\\*|:=|//|<>|[{}$%^~@?&|`]|\\b(?:AND|OR|NOT|is|if|else|None|True|False|lambda|import|for|yield|await)\\b"

  # Area/Location as in the IANA database, or a short name such as UTC. An offset is not a zone: it has no daylight
  # saving. Whether the zone exists is checked by the function when it starts.
  timezone_pattern = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"
  offset_pattern   = "^(UTC[+-]|GMT[+-][1-9])"

  measures = flatten([
    for name, aggregate in var.aggregates : [
      for measure, it in aggregate.measures : merge(it, {
        place     = "aggregates.${name}.measures.${measure}"
        name      = measure
        aggregate = name
        function  = it.function == null ? "" : it.function
      })
    ]
  ])

  buckets = [
    for name, aggregate in var.aggregates : merge(aggregate.time_bucket, {
      place     = "aggregates.${name}.time_bucket"
      attribute = aggregate.time_bucket.attribute == null ? "" : aggregate.time_bucket.attribute
      unit      = aggregate.time_bucket.unit == null ? "" : aggregate.time_bucket.unit
    })
    if aggregate.time_bucket != null
  ]

  # Expressions without string literals (of one or three quotes) and comments, whose text may be anything.
  not_code = "/(?s)'''(?:[^\\\\]|\\\\.)*?'''|\"\"\"(?:[^\\\\]|\\\\.)*?\"\"\"|'(?:[^'\\\\\\n]|\\\\.)*'|\"(?:[^\"\\\\\\n]|\\\\.)*\"|#[^\\n]*/"
  expressions = [
    for it in concat(
      [for name, aggregate in var.aggregates : { place = "aggregates.${name}.where", text = aggregate.where }],
      [for it in local.measures : { place = "${it.place}.value", text = it.value }],
      ) : {
      place = it.place
      text  = it.text
      code  = replace(it.text, local.not_code, " 0 ")
    }
    if it.text != null
  ]

  problems = concat(
    # The map of aggregates
    length(var.aggregates) >= 1 && length(var.aggregates) <= 49 ? [] : [
      "aggregates: there are ${length(var.aggregates)}. Declare 1 to 49."
    ],
    [
      for name in keys(var.aggregates) : "aggregates.${name}: this is not a valid aggregate name. ${local.name_rule}"
      if !can(regex(local.name_pattern, name))
    ],

    # Groups
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.group_by: there are ${length(aggregate.group_by)} attributes. Use at most 10."
      if length(aggregate.group_by) > 10
    ],
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.group_by: an attribute has no name. Name the attributes to group by, or use [] for one row over all items."
      if length([for it in aggregate.group_by : it if it == null ? true : trimspace(it) == ""]) > 0
    ],
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.group_by: an attribute is named more than once. Name each one once."
      if length(distinct(aggregate.group_by)) != length(aggregate.group_by)
    ],

    flatten([
      for name, aggregate in var.aggregates : [
        for it in aggregate.group_by : "aggregates.${name}.group_by: \"${it}\" is not an attribute path. ${local.path_rule}"
        if it == null ? false : trimspace(it) != "" && !can(regex(local.path_pattern, it))
      ]
    ]),

    # Time buckets
    [
      for it in local.buckets : "${it.place}.attribute: \"${it.attribute}\" is not an attribute path. ${local.path_rule}"
      if trimspace(it.attribute) != "" && !can(regex(local.path_pattern, it.attribute))
    ],
    [
      for it in local.buckets : "${it.place}.attribute: it is empty. Name the attribute that has the time of an item."
      if trimspace(it.attribute) == ""
    ],
    [
      for it in local.buckets : "${it.place}.unit: \"${it.unit}\" is not a unit. Use one of ${join(", ", local.units)}."
      if !contains(local.units, it.unit)
    ],
    [
      for it in local.buckets : "${it.place}.timezone: \"${it.timezone}\" is not an IANA time zone. Use a name such as \"UTC\" or \"Europe/London\"."
      if !can(regex(local.timezone_pattern, it.timezone)) || can(regex(local.offset_pattern, it.timezone))
    ],
    [
      for it in local.buckets : "${it.place}.retention_days: ${it.retention_days} is out of range. Use a whole number of days from 1 to 36500, or leave it out to keep the rows."
      if it.retention_days == null ? false : it.retention_days < 1 || it.retention_days > 36500 || floor(it.retention_days) != it.retention_days
    ],

    # Measures
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.measures: there are ${length(aggregate.measures)}. Declare 1 to 50."
      if length(aggregate.measures) < 1 || length(aggregate.measures) > 50
    ],
    [
      for it in local.measures : "${it.place}: this is not a valid measure name. ${local.name_rule}"
      if !can(regex(local.name_pattern, it.name))
    ],
    [
      for it in local.measures : "${it.place}: every row has an attribute of this name. Use a name other than ${join(", ", local.reserved)}."
      if contains(local.reserved, it.name)
    ],
    [
      for it in local.measures : "${it.place}: an avg is stored as ${it.name}_sum, which is another measure of this aggregate. Rename one of the two."
      if it.function == "avg" && contains(keys(var.aggregates[it.aggregate].measures), "${it.name}_sum")
    ],
    [
      for it in local.measures : "${it.place}.function: \"${it.function}\" is not a function. Use one of ${join(", ", local.functions)}."
      if !contains(local.functions, it.function)
    ],
    [
      for it in local.measures : "${it.place}.value: ${it.function} needs it. Say what to add up, such as \"quantity\" or \"quantity * unit_price\"."
      if contains(local.needs_value, it.function) && it.value == null
    ],
    [
      for it in local.measures : "${it.place}.value: ${it.function} takes none. Leave it out; to count some items only, use the aggregate's where."
      if contains(local.functions, it.function) && !contains(local.needs_value, it.function) && it.value != null
    ],
    [
      for it in local.measures : "${it.place}.scale: ${it.scale} is out of range. Use a whole number of decimal places from 0 to 28."
      if it.scale == null ? false : it.scale < 0 || it.scale > 28 || floor(it.scale) != it.scale
    ],
    [
      for it in local.measures : "${it.place}.scale: without a value there is nothing to round. Leave it out."
      if it.scale != null && it.value == null
    ],

    # Expressions: only what text alone can tell. The function parses them when it starts, and refuses the rest.
    [
      for it in local.expressions : "${it.place}: it is empty. Write an expression, or leave it out."
      if trimspace(it.text) == ""
    ],
    [
      for it in local.expressions : "${it.place}: it is ${length(it.text)} characters long. Use at most 2000."
      if length(it.text) > 2000
    ],
    [
      for it in local.expressions : "${it.place}: a string has no end. Close it with the quote that it starts with; write \\' or \\\" for a quote inside."
      if can(regex("['\"]", it.code))
    ],
    [
      for it in local.expressions : "${it.place}: brackets do not match. Close every ( and [ once."
      if length(regexall("\\(", it.code)) != length(regexall("\\)", it.code)) || length(regexall("\\[", it.code)) != length(regexall("\\]", it.code))
    ],
    flatten([
      for it in local.expressions : [
        for text in distinct(regexall(local.not_allowed, it.code)) :
        "${it.place}: \"${text}\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions ${join(", ", local.expression_functions)}."
      ]
    ]),
    [
      for it in local.expressions : "${it.place}: = is not a comparison. Write == to compare."
      if can(regex("(^|[^=!<>:])=([^=]|$)", it.code))
    ],
    [
      for it in local.expressions : "${it.place}: it ends where something has to follow."
      if can(regex("([-+*/<>=,]|\\b(?:and|or|not|in))\\s*$", it.code))
    ],
    flatten([
      for it in local.expressions : [
        for call in distinct(flatten(regexall("([A-Za-z_][A-Za-z0-9_.]*)\\s*\\(", it.code))) :
        "${it.place}: there is no function ${call}(). Use one of ${join(", ", local.expression_functions)}."
        if !contains(concat(local.expression_functions, local.expression_operators), call)
      ]
    ]),
    [
      for it in local.expressions : "${it.place}: only a function can be called, by its name. Use one of ${join(", ", local.expression_functions)}, or an operator before the bracket."
      if can(regex("[])]\\s*\\(", it.code))
    ],
  )
}
