# The rules that a definition of aggregates has to keep, each written once, and the form in which a function gets it.
# It makes no resources. Every module whose function needs the definition calls this one and refuses to go on while
# there are problems (a precondition on its function): a definition is judged the same way everywhere.
#
# Why not `validation` blocks of the variable: a validation may not use a local value that is made from its own variable
# (Terraform sees a cycle), so each rule would stand twice, in the condition and again in the message that lists the
# offenders. Here all problems are found at once, each with its place, and tests can compare the messages word for word.

locals {
  # A later function is one word here, and one more in each list below whose rule it follows.
  functions   = ["avg", "count", "distinct", "first", "last", "max", "min", "percentile", "stddev", "sum", "variance"]
  needs_value = [for it in local.functions : it if it != "count"]
  needs_order = ["first", "last"]
  # Not linear: a row alone does not tell what a deletion leaves, so every value has an entry in the ledger table.
  indexed  = ["distinct", "first", "last", "max", "min"]
  rankable = ["count", "distinct", "max", "min", "sum"]

  # Decimal places: the most, and those kept where none are given. A square has twice as many as its value.
  max_scale        = { avg = 28, max = 28, min = 28, percentile = 12, stddev = 14, sum = 28, variance = 14 }
  default_scale    = { avg = 12, max = 12, min = 12, percentile = 6, stddev = 6, sum = 12, variance = 6 }
  default_accuracy = 0.01

  units = ["minute", "5_minutes", "10_minutes", "15_minutes", "30_minutes", "hour", "day", "week", "month", "quarter", "year"]

  # What may stand before an opening parenthesis in an expression: functions, and the operators that are words.
  expression_functions = ["abs", "coalesce", "contains", "date_between", "ends_with", "exists", "length", "lower", "max", "min", "round", "starts_with", "substring", "upper"]
  expression_operators = ["and", "in", "not", "or"]

  # Attributes that a row has whatever its measures are.
  reserved = sort(distinct(concat(
    ["aggregate", "bucket", "bucket_start", "expires_at", "group", "items", "part", "pk", "rank_group", "revision", "sk", "values_part"],
    tolist(var.reserved_attributes),
  )))

  # The aggregate whose rows are ranked by an attribute.
  ranked = {
    for name, aggregate in var.aggregates : (aggregate.rank_by) => name...
    if aggregate.rank_by == null ? false : try(contains(local.rankable, aggregate.measures[aggregate.rank_by].function), false)
  }

  # A transaction has at most 100 actions: one is the ledger entry, and a change both takes back and adds.
  max_changes_per_item = 49

  # Parts of a row: with those for distinct values, as many items as one BatchGetItem reads.
  max_write_shards = 50

  name_pattern = "^[a-z][a-z0-9_]{0,62}$"
  name_rule    = "Use a lower case letter, then up to 62 lower case letters, digits and underscores."

  # As in lambda_src/aggregator/items.py.
  path_pattern = "^[A-Za-z_][A-Za-z0-9_-]*(\\.[A-Za-z_][A-Za-z0-9_-]*|\\[[0-9]+\\])*$"
  path_rule    = "Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku."

  # In group_by also [*], for every element of a list.
  group_path_pattern = "^[A-Za-z_][A-Za-z0-9_-]*(\\.[A-Za-z_][A-Za-z0-9_-]*|\\[([0-9]+|\\*)\\])*$"
  group_path_rule    = "Write names joined by dots, with [n] for an element of a list and [*] for each of them: stock_code, customer.region, lines[0].sku, tags[*]."

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

        # The attributes of the row that it takes; a percentile takes all that begin with this.
        attributes = lookup({
          avg        = ["${measure}_sum"]
          first      = [measure, "${measure}_at"]
          last       = [measure, "${measure}_at"]
          percentile = ["${measure}_bin_"]
          stddev     = ["${measure}_sum", "${measure}_sum_of_squares"]
          variance   = ["${measure}_sum", "${measure}_sum_of_squares"]
        }, it.function == null ? "" : it.function, [measure])
      })
    ]
  ])

  taken = flatten([
    for it in local.measures : [
      for attribute in it.attributes : { aggregate = it.aggregate, attribute = attribute, measure = it.name, prefix = it.function == "percentile" }
    ]
  ])

  # The measures that take an attribute, by aggregate and attribute.
  takers = {
    for it in local.taken : "${it.aggregate}.${it.attribute}" => { aggregate = it.aggregate, attribute = it.attribute, measure = it.measure }...
    if !it.prefix
  }

  buckets = [
    for name, aggregate in var.aggregates : merge(aggregate.time_bucket, {
      place = "aggregates.${name}.time_bucket"
      units = aggregate.time_bucket.units == null ? null : [for it in aggregate.time_bucket.units : it == null ? "" : it]
    })
    if aggregate.time_bucket != null
  ]

  # How much of a transaction a change of an item takes: for each aggregate rows, and entries of its indexed measures.
  # Of a row that is spread, a distinct value takes a part of its own besides.
  changes = [
    for name, aggregate in var.aggregates : {
      name  = name
      units = try(length(aggregate.time_bucket.units), 1)
      indexed = sum(concat([0], [
        for it in values(aggregate.measures) : it.function == "distinct" && aggregate.write_shards != null ? 2 : 1
        if it.function == null ? false : contains(local.indexed, it.function)
      ]))
    }
  ]
  changes_per_item = sum(concat([0], [for it in local.changes : it.units * (1 + it.indexed)]))

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

  # What a function gets: only what is said and is not the default, because its environment is small.
  encoding = {
    for name, aggregate in var.aggregates : name => {
      for field, value in {
        group_by       = length(aggregate.group_by) == 0 ? null : aggregate.group_by
        group_defaults = length(aggregate.group_defaults) == 0 ? null : aggregate.group_defaults
        where          = aggregate.where
        time_bucket = aggregate.time_bucket == null ? null : {
          for field, value in {
            attribute      = aggregate.time_bucket.attribute
            arrival        = aggregate.time_bucket.arrival ? true : null
            unit           = aggregate.time_bucket.unit
            units          = aggregate.time_bucket.units
            timezone       = aggregate.time_bucket.timezone == "UTC" ? null : aggregate.time_bucket.timezone
            retention_days = aggregate.time_bucket.retention_days
          } : field => value if value != null
        }
        measures = {
          for measure, it in aggregate.measures : measure => {
            for field, value in {
              function = it.function
              value    = it.value
              scale    = try(it.scale == local.default_scale[it.function], false) ? null : it.scale
              order_by = it.order_by
              accuracy = it.accuracy == local.default_accuracy ? null : it.accuracy
            } : field => value if value != null
          }
        }
        rank_by      = aggregate.rank_by
        write_shards = aggregate.write_shards
      } : field => value if value != null
    }
  }

  problems = concat(
    # The map of aggregates
    length(var.aggregates) >= 1 && length(var.aggregates) <= 49 ? [] : [
      "aggregates: there are ${length(var.aggregates)}. Declare 1 to 49."
    ],
    [
      for name in keys(var.aggregates) : "aggregates.${name}: this is not a valid aggregate name. ${local.name_rule}"
      if !can(regex(local.name_pattern, name))
    ],
    length(var.aggregates) > 49 || local.changes_per_item <= local.max_changes_per_item ? [] : [
      "aggregates: a change of one item has to fit into one transaction, which takes ${local.max_changes_per_item} rows and index entries, and these take ${local.changes_per_item}. Each aggregate takes units x (1 + measures of function ${join(", ", local.indexed)}), with write_shards a distinct twice: ${join(", ", [for it in local.changes : "${it.name} ${it.units} x (1 + ${it.indexed}) = ${it.units * (1 + it.indexed)}"])}. Declare fewer here, and the others in a second instance of the module on the same stream."
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
        for it in aggregate.group_by : "aggregates.${name}.group_by: \"${it}\" is not an attribute path. ${local.group_path_rule}"
        if it == null ? false : trimspace(it) != "" && !can(regex(local.group_path_pattern, it))
      ]
    ]),
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.group_by: [*] stands more than once. Use it once in one attribute: an item would get a row for every combination of elements."
      if length(regexall("\\[\\*\\]", join(",", [for it in aggregate.group_by : it if it != null]))) > 1
    ],
    flatten([
      for name, aggregate in var.aggregates : [
        for it in keys(aggregate.group_defaults) : "aggregates.${name}.group_defaults: \"${it}\" is not in group_by. Name an attribute that stands there, written in the same way."
        if !contains(aggregate.group_by, it)
      ]
    ]),
    flatten([
      for name, aggregate in var.aggregates : [
        for it, value in aggregate.group_defaults : "aggregates.${name}.group_defaults: the default of \"${it}\" is null. Write a string, or leave the attribute out."
        if value == null
      ]
    ]),

    # Time buckets
    [
      for it in local.buckets : "${it.place}.attribute: \"${it.attribute}\" is not an attribute path. ${local.path_rule}"
      if it.attribute == null ? false : trimspace(it.attribute) != "" && !can(regex(local.path_pattern, it.attribute))
    ],
    [
      for it in local.buckets : "${it.place}.attribute: it is empty. Name the attribute that has the time of an item."
      if it.attribute == null ? false : trimspace(it.attribute) == ""
    ],
    [
      for it in local.buckets : "${it.place}: it has no time. Name the attribute that has the time of an item, or set arrival to true for the time at which it was written."
      if it.attribute == null && !it.arrival
    ],
    [
      for it in local.buckets : "${it.place}: attribute and arrival exclude each other. Leave one of them out."
      if it.attribute != null && it.arrival
    ],
    [
      for it in local.buckets : "${it.place}.arrival: it needs append_only = true. An item that may change arrives again with every change, and would move to another bucket."
      if it.arrival && !var.append_only
    ],
    [
      for it in local.buckets : "${it.place}: it has no unit. Give one as unit, or several as units: ${join(", ", local.units)}."
      if it.unit == null && it.units == null
    ],
    [
      for it in local.buckets : "${it.place}: unit and units exclude each other. Leave one of them out."
      if it.unit != null && it.units != null
    ],
    [
      for it in local.buckets : "${it.place}.unit: \"${it.unit}\" is not a unit. Use one of ${join(", ", local.units)}."
      if it.unit == null ? false : !contains(local.units, it.unit)
    ],
    flatten([
      for it in local.buckets : [
        for unit in distinct(it.units) : "${it.place}.units: \"${unit}\" is not a unit. Use some of ${join(", ", local.units)}."
        if !contains(local.units, unit)
      ]
      if it.units != null
    ]),
    [
      for it in local.buckets : "${it.place}.units: there are none. Give at least one of ${join(", ", local.units)}."
      if it.units == null ? false : length(it.units) == 0
    ],
    [
      for it in local.buckets : "${it.place}.units: a unit stands there more than once. Name each one once."
      if it.units == null ? false : length(distinct(it.units)) != length(it.units)
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
    flatten([
      for it in local.measures : [
        for attribute in it.attributes : "${it.place}: ${it.function} is kept in ${attribute}, an attribute that every row has. Rename the measure."
        if attribute != it.name && contains(local.reserved, attribute)
      ]
    ]),
    [
      for it in local.takers : "aggregates.${it[0].aggregate}.measures: ${join(" and ", it[*].measure)} are kept in the same attribute of a row, ${it[0].attribute}. Rename one of them."
      if length(it) > 1
    ],
    flatten([
      for it in local.measures : [
        for other in local.taken : "${it.place}: its bins are attributes of the row that begin with ${it.attributes[0]}, and so does ${other.measure}. Rename one of them."
        if other.aggregate == it.aggregate && other.measure != it.name && startswith(other.attribute, it.attributes[0])
      ]
      if it.function == "percentile"
    ]),
    [
      for it in local.measures : "${it.place}.function: \"${it.function}\" is not a function. Use one of ${join(", ", local.functions)}."
      if !contains(local.functions, it.function)
    ],
    [
      for it in local.measures : "${it.place}.value: ${it.function} needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\"."
      if contains(local.needs_value, it.function) && it.value == null
    ],
    [
      for it in local.measures : "${it.place}.value: ${it.function} takes none. Leave it out; to count some items only, use the aggregate's where."
      if contains(local.functions, it.function) && !contains(local.needs_value, it.function) && it.value != null
    ],
    [
      for it in local.measures : "${it.place}.scale: ${it.scale} is out of range. Use a whole number of decimal places from 0 to ${local.max_scale[it.function]}."
      if it.scale == null || !contains(keys(local.max_scale), it.function) ? false : it.scale < 0 || it.scale > local.max_scale[it.function] || floor(it.scale) != it.scale
    ],
    [
      for it in local.measures : "${it.place}.scale: ${it.function} takes none. Leave it out; only ${join(", ", keys(local.max_scale))} are rounded."
      if it.scale != null && contains(local.functions, it.function) && !contains(keys(local.max_scale), it.function)
    ],
    [
      for it in local.measures : "${it.place}.order_by: ${it.function} needs it. Name the attribute that has the time of an item."
      if contains(local.needs_order, it.function) && (it.order_by == null ? true : trimspace(it.order_by) == "")
    ],
    [
      for it in local.measures : "${it.place}.order_by: \"${it.order_by}\" is not an attribute path. ${local.path_rule}"
      if !contains(local.needs_order, it.function) || it.order_by == null ? false : trimspace(it.order_by) != "" && !can(regex(local.path_pattern, it.order_by))
    ],
    [
      for it in local.measures : "${it.place}.order_by: ${it.function} takes none. Leave it out; only ${join(" and ", local.needs_order)} are told by a time."
      if it.order_by != null && contains(local.functions, it.function) && !contains(local.needs_order, it.function)
    ],
    [
      for it in local.measures : "${it.place}.accuracy: ${it.accuracy} is out of range. Use a number from 0.005 to 0.1; 0.01 is 1 % of the value."
      if it.accuracy == null || it.function != "percentile" ? false : it.accuracy < 0.005 || it.accuracy > 0.1
    ],
    [
      for it in local.measures : "${it.place}.accuracy: ${it.function} takes none. Leave it out; only a percentile is approximate."
      if it.accuracy != null && contains(local.functions, it.function) && it.function != "percentile"
    ],
    [
      for it in local.measures : "${it.place}.function: ${it.function} cannot be kept with delivery = \"${var.delivery}\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than ${join(", ", local.indexed)}."
      if var.delivery != "ledger" && contains(local.indexed, it.function)
    ],

    # Rankings
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.rank_by: there is no measure \"${aggregate.rank_by}\". Use the name of one of this aggregate's: ${join(", ", keys(aggregate.measures))}."
      if aggregate.rank_by == null ? false : !contains(keys(aggregate.measures), aggregate.rank_by)
    ],
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.rank_by: ${aggregate.rank_by} cannot be sorted by, because a row does not hold the result of ${aggregate.measures[aggregate.rank_by].function} as one number. Use a measure of function ${join(", ", local.rankable)}."
      if aggregate.rank_by == null ? false : try(contains(setsubtract(local.functions, local.rankable), aggregate.measures[aggregate.rank_by].function), false)
    ],
    # An index sorts by the attribute, which then has to be a number in every row that has it.
    flatten([
      for it in local.measures : [
        for attribute in it.attributes : "${it.place}: it is kept in ${attribute}, an attribute by which rows of ${local.ranked[attribute][0]} are ranked and which then has to be a number everywhere. Rename one of the two."
        if contains(["first", "last"], it.function) && contains(keys(local.ranked), attribute)
      ]
    ]),

    # Parts of rows
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.write_shards: ${aggregate.write_shards} is out of range. Use a whole number of parts from 2 to ${local.max_write_shards}, or leave it out to keep a row in one item."
      if aggregate.write_shards == null ? false : aggregate.write_shards < 2 || aggregate.write_shards > local.max_write_shards || floor(aggregate.write_shards) != aggregate.write_shards
    ],
    [
      for name, aggregate in var.aggregates : "aggregates.${name}.write_shards: it excludes rank_by, because an index would sort the parts of rows instead of rows. Leave one of them out, or declare a second aggregate without write_shards for the ranking."
      if aggregate.write_shards != null && aggregate.rank_by != null
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
