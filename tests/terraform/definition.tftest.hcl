# What a definition of aggregates may be, and word for word what is said about one that may not.

run "a_definition_that_uses_everything_is_accepted" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      sales_by_product_day = {
        group_by    = ["stock_code", "customer.region", "lines[0].sku"]
        where       = "quantity > 0 and country in ('France', \"Spain\") and not (exists(cancelled_at) or lower(state) == 'open')"
        time_bucket = { attribute = "invoice_date", unit = "day", timezone = "Europe/London", retention_days = 400 }
        measures = {
          lines   = { function = "count" }
          revenue = { function = "sum", value = "coalesce(quantity, 0) * round(unit_price, 2)", scale = 2 }
          price   = { function = "avg", value = "abs(unit_price)", scale = 28 }
        }
        rank_by = "revenue"
      }
      sales_by_tag = {
        group_by       = ["tags[*]", "country"]
        group_defaults = { country = "unknown" }
        where          = "contains(note, 'x') or starts_with(note, 'x') or ends_with(note, 'x') or substring(note, 0, 1) == 'x' or date_between(at, '2025-01-01', '2025-12-31')"
        time_bucket    = { arrival = true, units = ["hour", "day"] }
        measures = {
          spread    = { function = "variance", value = "price", scale = 14 }
          deviation = { function = "stddev", value = "price", scale = 0 }
          cheapest  = { function = "min", value = "price", scale = 28 }
          dearest   = { function = "max", value = "price" }
          opening   = { function = "first", value = "state", order_by = "at.time" }
          closing   = { function = "last", value = "state", order_by = "at.time" }
          customers = { function = "distinct", value = "customer" }
          p         = { function = "percentile", value = "latency", accuracy = 0.005 }
          p_rough   = { function = "percentile", value = "latency", accuracy = 0.1 }
        }
      }
      total = { measures = { lines = { function = "count" }, customers = { function = "distinct", value = "customer" } }, write_shards = 50 }
    }
    append_only = true
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }

  assert {
    condition = output.encoded == base64gzip(jsonencode({
      sales_by_product_day = {
        group_by    = ["stock_code", "customer.region", "lines[0].sku"]
        where       = var.aggregates.sales_by_product_day.where
        time_bucket = { attribute = "invoice_date", unit = "day", timezone = "Europe/London", retention_days = 400 }
        measures = {
          lines   = { function = "count" }
          revenue = { function = "sum", value = "coalesce(quantity, 0) * round(unit_price, 2)", scale = 2 }
          price   = { function = "avg", value = "abs(unit_price)", scale = 28 }
        }
        rank_by = "revenue"
      }
      sales_by_tag = {
        group_by       = ["tags[*]", "country"]
        group_defaults = { country = "unknown" }
        where          = var.aggregates.sales_by_tag.where
        time_bucket    = { arrival = true, units = ["hour", "day"] }
        measures = {
          spread    = { function = "variance", value = "price", scale = 14 }
          deviation = { function = "stddev", value = "price", scale = 0 }
          cheapest  = { function = "min", value = "price", scale = 28 }
          dearest   = { function = "max", value = "price" }
          opening   = { function = "first", value = "state", order_by = "at.time" }
          closing   = { function = "last", value = "state", order_by = "at.time" }
          customers = { function = "distinct", value = "customer" }
          p         = { function = "percentile", value = "latency", accuracy = 0.005 }
          p_rough   = { function = "percentile", value = "latency", accuracy = 0.1 }
        }
      }
      total = { measures = { lines = { function = "count" }, customers = { function = "distinct", value = "customer" } }, write_shards = 50 }
    }))
    error_message = "The definition is handed over as gzipped JSON in base64."
  }
}

run "what_is_the_default_is_not_handed_over" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        group_by       = []
        group_defaults = {}
        time_bucket    = { attribute = "at", arrival = false, unit = "day", timezone = "UTC" }
        measures = {
          a = { function = "sum", value = "x", scale = 12 }
          b = { function = "stddev", value = "x", scale = 6 }
          c = { function = "percentile", value = "x", accuracy = 0.01 }
        }
      }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }

  assert {
    condition = output.encoded == base64gzip(jsonencode({
      a = {
        time_bucket = { attribute = "at", unit = "day" }
        measures = {
          a = { function = "sum", value = "x" }
          b = { function = "stddev", value = "x" }
          c = { function = "percentile", value = "x" }
        }
      }
    }))
    error_message = "The environment of a function is small."
  }
}

run "the_text_of_strings_and_comments_is_never_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        where = <<-EOT
          note == 'a;b__c(' or note == "import ** (" or note == 'it\'s ]' or note == "say \"(\""  # don't count (
          or note == '' or note == '''sqrt('[{"''' or note in ("""f(")""", 'x')
        EOT
        measures = {
          lines = { function = "count" }
        }
      }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }
}

run "every_kind_of_time_zone_name_is_accepted" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      for zone in ["UTC", "GMT", "GMT0", "Etc/GMT+1", "Etc/GMT-14", "EST5EDT", "America/Argentina/Buenos_Aires", "America/Port-au-Prince", "Asia/Ust-Nera"] :
      "zone_${lower(replace(replace(zone, "/[^A-Za-z0-9]/", "_"), "+", "_"))}" => {
        time_bucket = { attribute = "at", unit = "hour", timezone = zone }
        measures    = { lines = { function = "count" } }
      }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }
}

run "no_aggregate_at_all_is_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {}
  }

  assert {
    condition     = join("\n", output.problems) == "aggregates: there are 0. Declare 1 to 49."
    error_message = join("\n", output.problems)
  }
}

run "fifty_aggregates_are_one_too_many" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = { for i in range(50) : "a${i}" => { measures = { lines = { function = "count" } } } }
  }

  assert {
    condition     = join("\n", output.problems) == "aggregates: there are 50. Declare 1 to 49."
    error_message = join("\n", output.problems)
  }
}

run "an_aggregate_that_is_null_is_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = { a = null }
  }

  expect_failures = [var.aggregates]
}

run "names_of_another_pattern_are_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      Sales = { measures = { lines = { function = "count" } } }
      a     = { measures = { "number-of-lines" = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.Sales: this is not a valid aggregate name. Use a lower case letter, then up to 62 lower case letters, digits and underscores.",
      "aggregates.a.measures.number-of-lines: this is not a valid measure name. Use a lower case letter, then up to 62 lower case letters, digits and underscores.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "groups_that_make_no_sense_are_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      blank = { group_by = ["country", " "], measures = { lines = { function = "count" } } }
      many  = { group_by = [for i in range(11) : "g${i}"], measures = { lines = { function = "count" } } }
      twice = { group_by = ["country", "country"], measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.many.group_by: there are 11 attributes. Use at most 10.",
      "aggregates.blank.group_by: an attribute has no name. Name the attributes to group by, or use [] for one row over all items.",
      "aggregates.twice.group_by: an attribute is named more than once. Name each one once.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "time_buckets_that_make_no_sense_are_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { time_bucket = { attribute = " ", unit = "day" }, measures = { lines = { function = "count" } } }
      b = { time_bucket = { attribute = "at", unit = "days" }, measures = { lines = { function = "count" } } }
      c = { time_bucket = { attribute = "at", unit = "day", timezone = "+01:00" }, measures = { lines = { function = "count" } } }
      d = { time_bucket = { attribute = "at", unit = "day", timezone = "UTC+1" }, measures = { lines = { function = "count" } } }
      e = { time_bucket = { attribute = "at", unit = "day", timezone = "Europe/ London" }, measures = { lines = { function = "count" } } }
      f = { time_bucket = { attribute = "at", unit = "day", retention_days = 0 }, measures = { lines = { function = "count" } } }
      g = { time_bucket = { attribute = "at", unit = "day", retention_days = 36501 }, measures = { lines = { function = "count" } } }
      h = { time_bucket = { attribute = "at", unit = "day", retention_days = 1.5 }, measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.time_bucket.attribute: it is empty. Name the attribute that has the time of an item.",
      "aggregates.b.time_bucket.unit: \"days\" is not a unit. Use one of minute, 5_minutes, 10_minutes, 15_minutes, 30_minutes, hour, day, week, month, quarter, year.",
      "aggregates.c.time_bucket.timezone: \"+01:00\" is not an IANA time zone. Use a name such as \"UTC\" or \"Europe/London\".",
      "aggregates.d.time_bucket.timezone: \"UTC+1\" is not an IANA time zone. Use a name such as \"UTC\" or \"Europe/London\".",
      "aggregates.e.time_bucket.timezone: \"Europe/ London\" is not an IANA time zone. Use a name such as \"UTC\" or \"Europe/London\".",
      "aggregates.f.time_bucket.retention_days: 0 is out of range. Use a whole number of days from 1 to 36500, or leave it out to keep the rows.",
      "aggregates.g.time_bucket.retention_days: 36501 is out of range. Use a whole number of days from 1 to 36500, or leave it out to keep the rows.",
      "aggregates.h.time_bucket.retention_days: 1.5 is out of range. Use a whole number of days from 1 to 36500, or leave it out to keep the rows.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "the_longest_retention_and_every_unit_are_accepted" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      for unit in ["minute", "5_minutes", "10_minutes", "15_minutes", "30_minutes", "hour", "day", "week", "month", "quarter", "year"] : "by_${unit}" => {
        time_bucket = { attribute = "at", unit = unit, retention_days = 36500 }
        measures    = { lines = { function = "count" } }
      }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }
}

run "an_aggregate_needs_one_to_fifty_measures" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      fifty = { measures = { for i in range(50) : "m${i}" => { function = "count" } } }
      many  = { measures = { for i in range(51) : "m${i}" => { function = "count" } } }
      none  = { measures = {} }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.many.measures: there are 51. Declare 1 to 50.",
      "aggregates.none.measures: there are 0. Declare 1 to 50.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "a_measure_does_not_take_the_name_of_another_attribute_of_the_row" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        measures = {
          for name in ["pk", "sk", "aggregate", "group", "bucket", "bucket_start", "items", "revision", "expires_at", "rank_group", "part", "values_part", "item"] :
          name => { function = "count" }
        }
      }
      b = {
        measures = {
          price     = { function = "avg", value = "unit_price" }
          price_sum = { function = "count" }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist(concat(
      [
        for name in ["aggregate", "bucket", "bucket_start", "expires_at", "group", "items", "part", "pk", "rank_group", "revision", "sk", "values_part"] :
        "aggregates.a.measures.${name}: every row has an attribute of this name. Use a name other than aggregate, bucket, bucket_start, expires_at, group, items, part, pk, rank_group, revision, sk, values_part."
      ],
      ["aggregates.b.measures: price and price_sum are kept in the same attribute of a row, price_sum. Rename one of them."],
    ))
    error_message = join("\n", output.problems)
  }
}

run "a_function_has_to_be_known_and_to_get_what_it_needs" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        measures = {
          a = { function = "median", value = "quantity" }
          b = { function = null }
          c = { function = "sum" }
          d = { function = "avg" }
          e = { function = "count", value = "quantity" }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.measures.a.function: \"median\" is not a function. Use one of avg, count, distinct, first, last, max, min, percentile, stddev, sum, variance.",
      "aggregates.a.measures.b.function: \"\" is not a function. Use one of avg, count, distinct, first, last, max, min, percentile, stddev, sum, variance.",
      "aggregates.a.measures.c.value: sum needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.d.value: avg needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.e.value: count takes none. Leave it out; to count some items only, use the aggregate's where.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "a_scale_is_a_whole_number_and_needs_a_value" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        measures = {
          a = { function = "sum", value = "x", scale = -1 }
          b = { function = "sum", value = "x", scale = 29 }
          c = { function = "sum", value = "x", scale = 2.5 }
          d = { function = "sum", value = "x", scale = 0 }
          e = { function = "count", scale = 2 }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.measures.a.scale: -1 is out of range. Use a whole number of decimal places from 0 to 28.",
      "aggregates.a.measures.b.scale: 29 is out of range. Use a whole number of decimal places from 0 to 28.",
      "aggregates.a.measures.c.scale: 2.5 is out of range. Use a whole number of decimal places from 0 to 28.",
      "aggregates.a.measures.e.scale: count takes none. Leave it out; only avg, max, min, percentile, stddev, sum, variance are rounded.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "an_empty_expression_is_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { where = " ", measures = { total = { function = "sum", value = "" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.where: it is empty. Write an expression, or leave it out.",
      "aggregates.a.measures.total.value: it is empty. Write an expression, or leave it out.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "names_that_only_look_like_python_are_accepted" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        where = "__typename == 'Order' and important and platform.for_sale and not(hidden) and a__b in (1, 2)"
        measures = {
          total = { function = "sum", value = "import_duty * (quantity - returned) / lines[0].factor" }
        }
      }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }
}

run "an_expression_of_more_than_2000_characters_is_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { where = "x == '${join("", [for i in range(400) : "12345"])}'", measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition     = join("\n", output.problems) == "aggregates.a.where: it is 2007 characters long. Use at most 2000."
    error_message = join("\n", output.problems)
  }
}

run "a_string_or_bracket_without_end_is_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { where = "country == 'France", measures = { lines = { function = "count" } } }
      b = { where = "(quantity > 0", measures = { lines = { function = "count" } } }
      c = { where = "lines[0 > 0", measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.where: a string has no end. Close it with the quote that it starts with; write \\' or \\\" for a quote inside.",
      "aggregates.b.where: brackets do not match. Close every ( and [ once.",
      "aggregates.c.where: brackets do not match. Close every ( and [ once.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "python_that_is_no_expression_of_ours_is_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      for i, text in ["x; y", "x ** y", "(y := x)", "{}", "lambda x: x", "import os", "[x for x in y]", "yield x", "await x"] :
      "a${i}" => { where = text, measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      for place, text in zipmap(
        ["a0", "a1", "a2", "a3.1", "a3.2", "a4", "a5", "a6", "a7", "a8"],
        [";", "**", ":=", "{", "}", "lambda", "import", "for", "yield", "await"],
      ) :
      "aggregates.${split(".", place)[0]}.where: \"${text}\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper."
    ])
    error_message = join("\n", output.problems)
  }
}

run "a_function_that_is_not_ours_is_refused" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        where = "sqrt (x) > 1 and name.lower() == 'x'"
        measures = {
          total = { function = "sum", value = "abs(x) + open('/etc/passwd')" }
          twice = { function = "sum", value = "abs(x)(y)" }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.where: there is no function sqrt(). Use one of abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.a.where: there is no function name.lower(). Use one of abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.a.measures.total.value: there is no function open(). Use one of abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.a.measures.twice.value: only a function can be called, by its name. Use one of abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper, or an operator before the bracket.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "the_definition_that_is_refused_for_its_size_has_no_other_fault" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    # Noise cannot be compressed.
    aggregates = {
      for i in range(49) : "a${substr(sha512(i), 0, 62)}" => {
        measures = { for j in range(2) : "m${substr(sha512("${i} ${j}"), 0, 62)}" => { function = "count" } }
      }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }

  assert {
    condition     = length(output.encoded) > 4096
    error_message = "It has ${length(output.encoded)} bytes."
  }
}

run "what_people_bring_from_other_languages_is_refused_at_plan" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        where    = "quantity = 0"
        measures = { n = { function = "sum", value = "quantity >" } }
      }
      b = {
        where    = "x && y"
        measures = { n = { function = "sum", value = "price // 2" } }
      }
      c = {
        where    = "x AND y"
        measures = { n = { function = "sum", value = "price or" } }
      }
      d = {
        where    = "x is None"
        measures = { n = { function = "sum", value = "$price % 2" } }
      }
    }
  }

  assert {
    condition = toset([for it in output.problems : join(":", slice(split(":", it), 0, 2))]) == toset([
      "aggregates.a.where: = is not a comparison. Write == to compare.",
      "aggregates.a.measures.n.value: it ends where something has to follow.",
      "aggregates.b.where: \"&\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.b.measures.n.value: \"//\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.c.where: \"AND\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.c.measures.n.value: it ends where something has to follow.",
      "aggregates.d.where: \"is\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.d.where: \"None\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.d.measures.n.value: \"$\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
      "aggregates.d.measures.n.value: \"%\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, substring, upper.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "what_is_not_an_attribute_path_is_refused_at_plan" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        group_by    = ["product id", "a..b", "upper(x)", "unit-price", "lines[0].sku"]
        time_bucket = { attribute = "ordered at", unit = "day" }
        measures    = { n = { function = "count" } }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.group_by: \"product id\" is not an attribute path. Write names joined by dots, with [n] for an element of a list and [*] for each of them: stock_code, customer.region, lines[0].sku, tags[*].",
      "aggregates.a.group_by: \"a..b\" is not an attribute path. Write names joined by dots, with [n] for an element of a list and [*] for each of them: stock_code, customer.region, lines[0].sku, tags[*].",
      "aggregates.a.group_by: \"upper(x)\" is not an attribute path. Write names joined by dots, with [n] for an element of a list and [*] for each of them: stock_code, customer.region, lines[0].sku, tags[*].",
      "aggregates.a.time_bucket.attribute: \"ordered at\" is not an attribute path. Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "an_item_counts_for_each_element_of_one_list_at_most" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { group_by = ["tags[*]", "lines[*].sku"], measures = { lines = { function = "count" } } }
      b = { group_by = ["lines[*].tags[*]"], measures = { lines = { function = "count" } } }
      c = { group_by = ["lines[*].sku", "lines[0].tags"], measures = { lines = { function = "count" } } }
      d = { group_by = ["[*]", "tags[x]"], measures = { lines = { function = "count" } } }
      e = { time_bucket = { attribute = "times[*]", unit = "day" }, measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.d.group_by: \"[*]\" is not an attribute path. Write names joined by dots, with [n] for an element of a list and [*] for each of them: stock_code, customer.region, lines[0].sku, tags[*].",
      "aggregates.d.group_by: \"tags[x]\" is not an attribute path. Write names joined by dots, with [n] for an element of a list and [*] for each of them: stock_code, customer.region, lines[0].sku, tags[*].",
      "aggregates.a.group_by: [*] stands more than once. Use it once in one attribute: an item would get a row for every combination of elements.",
      "aggregates.b.group_by: [*] stands more than once. Use it once in one attribute: an item would get a row for every combination of elements.",
      "aggregates.e.time_bucket.attribute: \"times[*]\" is not an attribute path. Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "a_default_is_that_of_an_attribute_of_the_group" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { group_by = ["country"], group_defaults = { region = "none" }, measures = { lines = { function = "count" } } }
      b = { group_by = ["country"], group_defaults = { country = null }, measures = { lines = { function = "count" } } }
      c = { group_by = ["tags[*]"], group_defaults = { "tags[*]" = "" }, measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.group_defaults: \"region\" is not in group_by. Name an attribute that stands there, written in the same way.",
      "aggregates.b.group_defaults: the default of \"country\" is null. Write a string, or leave the attribute out.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "a_time_bucket_has_one_time" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { time_bucket = { unit = "day" }, measures = { lines = { function = "count" } } }
      b = { time_bucket = { attribute = "at", arrival = true, unit = "day" }, measures = { lines = { function = "count" } } }
    }
    append_only = true
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.time_bucket: it has no time. Name the attribute that has the time of an item, or set arrival to true for the time at which it was written.",
      "aggregates.b.time_bucket: attribute and arrival exclude each other. Leave one of them out.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "the_time_of_arrival_is_for_items_that_never_change" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { time_bucket = { arrival = true, unit = "day" }, measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.time_bucket.arrival: it needs append_only = true. An item that may change arrives again with every change, and would move to another bucket.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "a_time_bucket_has_one_unit_or_a_list_of_different_ones" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { time_bucket = { attribute = "at" }, measures = { lines = { function = "count" } } }
      b = { time_bucket = { attribute = "at", unit = "day", units = ["hour"] }, measures = { lines = { function = "count" } } }
      c = { time_bucket = { attribute = "at", units = [] }, measures = { lines = { function = "count" } } }
      d = { time_bucket = { attribute = "at", units = ["day", "day"] }, measures = { lines = { function = "count" } } }
      e = { time_bucket = { attribute = "at", units = ["days", null] }, measures = { lines = { function = "count" } } }
      f = { time_bucket = { attribute = "at", units = ["day"] }, measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.time_bucket: it has no unit. Give one as unit, or several as units: minute, 5_minutes, 10_minutes, 15_minutes, 30_minutes, hour, day, week, month, quarter, year.",
      "aggregates.b.time_bucket: unit and units exclude each other. Leave one of them out.",
      "aggregates.e.time_bucket.units: \"days\" is not a unit. Use some of minute, 5_minutes, 10_minutes, 15_minutes, 30_minutes, hour, day, week, month, quarter, year.",
      "aggregates.e.time_bucket.units: \"\" is not a unit. Use some of minute, 5_minutes, 10_minutes, 15_minutes, 30_minutes, hour, day, week, month, quarter, year.",
      "aggregates.c.time_bucket.units: there are none. Give at least one of minute, 5_minutes, 10_minutes, 15_minutes, 30_minutes, hour, day, week, month, quarter, year.",
      "aggregates.d.time_bucket.units: a unit stands there more than once. Name each one once.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "all_but_a_count_need_a_value" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        measures = {
          count      = { function = "count" }
          distinct   = { function = "distinct" }
          first      = { function = "first", order_by = "at" }
          last       = { function = "last", order_by = "at" }
          max        = { function = "max" }
          min        = { function = "min" }
          percentile = { function = "percentile" }
          stddev     = { function = "stddev" }
          variance   = { function = "variance" }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.measures.distinct.value: distinct needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.first.value: first needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.last.value: last needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.max.value: max needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.min.value: min needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.percentile.value: percentile needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.stddev.value: stddev needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.variance.value: variance needs it. Say what of an item it is made of, such as \"quantity\" or \"quantity * unit_price\".",
    ])
    error_message = join("\n", output.problems)
  }
}

run "a_variance_has_at_most_fourteen_decimal_places_and_not_everything_is_rounded" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        measures = {
          a = { function = "variance", value = "x", scale = 15 }
          b = { function = "stddev", value = "x", scale = 15 }
          c = { function = "min", value = "x", scale = 29 }
          d = { function = "max", value = "x", scale = 0.5 }
          e = { function = "first", value = "x", order_by = "at", scale = 2 }
          f = { function = "last", value = "x", order_by = "at", scale = 2 }
          g = { function = "distinct", value = "x", scale = 2 }
          h = { function = "percentile", value = "x", scale = 13 }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.measures.a.scale: 15 is out of range. Use a whole number of decimal places from 0 to 14.",
      "aggregates.a.measures.b.scale: 15 is out of range. Use a whole number of decimal places from 0 to 14.",
      "aggregates.a.measures.c.scale: 29 is out of range. Use a whole number of decimal places from 0 to 28.",
      "aggregates.a.measures.d.scale: 0.5 is out of range. Use a whole number of decimal places from 0 to 28.",
      "aggregates.a.measures.h.scale: 13 is out of range. Use a whole number of decimal places from 0 to 12.",
      "aggregates.a.measures.e.scale: first takes none. Leave it out; only avg, max, min, percentile, stddev, sum, variance are rounded.",
      "aggregates.a.measures.f.scale: last takes none. Leave it out; only avg, max, min, percentile, stddev, sum, variance are rounded.",
      "aggregates.a.measures.g.scale: distinct takes none. Leave it out; only avg, max, min, percentile, stddev, sum, variance are rounded.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "first_and_last_are_told_by_a_time_and_nothing_else_is" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        measures = {
          a = { function = "first", value = "x" }
          b = { function = "last", value = "x", order_by = " " }
          c = { function = "last", value = "x", order_by = "ordered at" }
          d = { function = "max", value = "x", order_by = "at" }
          e = { function = "first", value = "x", order_by = "times[*]" }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.measures.a.order_by: first needs it. Name the attribute that has the time of an item.",
      "aggregates.a.measures.b.order_by: last needs it. Name the attribute that has the time of an item.",
      "aggregates.a.measures.c.order_by: \"ordered at\" is not an attribute path. Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku.",
      "aggregates.a.measures.e.order_by: \"times[*]\" is not an attribute path. Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku.",
      "aggregates.a.measures.d.order_by: max takes none. Leave it out; only first and last are told by a time.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "only_a_percentile_has_an_accuracy" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        measures = {
          a = { function = "percentile", value = "x", accuracy = 0.0009 }
          b = { function = "percentile", value = "x", accuracy = 0.11 }
          c = { function = "sum", value = "x", accuracy = 0.01 }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.measures.a.accuracy: 0.0009 is out of range. Use a number from 0.005 to 0.1; 0.01 is 1 % of the value.",
      "aggregates.a.measures.b.accuracy: 0.11 is out of range. Use a number from 0.005 to 0.1; 0.01 is 1 % of the value.",
      "aggregates.a.measures.c.accuracy: sum takes none. Leave it out; only a percentile is approximate.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "two_measures_do_not_share_an_attribute_of_the_row" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        measures = {
          price                = { function = "stddev", value = "x" }
          price_sum            = { function = "count" }
          price_sum_of_squares = { function = "sum", value = "x" }
        }
      }
      b = {
        measures = {
          state    = { function = "last", value = "x", order_by = "at" }
          state_at = { function = "max", value = "x" }
          expires  = { function = "first", value = "x", order_by = "at" }
        }
      }
      c = {
        measures = {
          latency       = { function = "percentile", value = "x" }
          latency_bin_1 = { function = "count" }
          latency_bin   = { function = "percentile", value = "x" }
        }
      }
      d = {
        measures = {
          latency_bin_1 = { function = "count" }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.b.measures.expires: first is kept in expires_at, an attribute that every row has. Rename the measure.",
      "aggregates.a.measures: price and price_sum are kept in the same attribute of a row, price_sum. Rename one of them.",
      "aggregates.a.measures: price and price_sum_of_squares are kept in the same attribute of a row, price_sum_of_squares. Rename one of them.",
      "aggregates.b.measures: state and state_at are kept in the same attribute of a row, state_at. Rename one of them.",
      "aggregates.c.measures.latency: its bins are attributes of the row that begin with latency_bin_, and so does latency_bin. Rename one of them.",
      "aggregates.c.measures.latency: its bins are attributes of the row that begin with latency_bin_, and so does latency_bin_1. Rename one of them.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "groups_are_ranked_by_a_measure_that_is_one_number_of_the_row" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = merge(
      {
        for it in ["avg", "first", "last", "percentile", "stddev", "variance"] : it => {
          measures = { f = { function = it, value = "x", order_by = contains(["first", "last"], it) ? "at" : null } }
          rank_by  = "f"
        }
      },
      {
        for it in ["count", "distinct", "max", "min", "sum"] : it => {
          measures = { m = { function = it, value = it == "count" ? null : "x" } }
          rank_by  = "m"
        }
      },
      { unknown = { measures = { m = { function = "count" }, n = { function = "count" } }, rank_by = "x" } },
    )
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.unknown.rank_by: there is no measure \"x\". Use the name of one of this aggregate's: m, n.",
      "aggregates.avg.rank_by: f cannot be sorted by, because a row does not hold the result of avg as one number. Use a measure of function count, distinct, max, min, sum.",
      "aggregates.first.rank_by: f cannot be sorted by, because a row does not hold the result of first as one number. Use a measure of function count, distinct, max, min, sum.",
      "aggregates.last.rank_by: f cannot be sorted by, because a row does not hold the result of last as one number. Use a measure of function count, distinct, max, min, sum.",
      "aggregates.percentile.rank_by: f cannot be sorted by, because a row does not hold the result of percentile as one number. Use a measure of function count, distinct, max, min, sum.",
      "aggregates.stddev.rank_by: f cannot be sorted by, because a row does not hold the result of stddev as one number. Use a measure of function count, distinct, max, min, sum.",
      "aggregates.variance.rank_by: f cannot be sorted by, because a row does not hold the result of variance as one number. Use a measure of function count, distinct, max, min, sum.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "rows_are_spread_over_2_to_50_parts_and_then_not_ranked" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = merge(
      {
        for name, shards in { one = 1, few = 2, most = 50, more = 51, half = 2.5, none = 0 } : name => {
          measures                = { m = { function = "count" } }, write_shards = shards
        }
      },
      { ranked = { measures = { m = { function = "count" } }, rank_by = "m", write_shards = 4 } },
    )
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.half.write_shards: 2.5 is out of range. Use a whole number of parts from 2 to 50, or leave it out to keep a row in one item.",
      "aggregates.more.write_shards: 51 is out of range. Use a whole number of parts from 2 to 50, or leave it out to keep a row in one item.",
      "aggregates.none.write_shards: 0 is out of range. Use a whole number of parts from 2 to 50, or leave it out to keep a row in one item.",
      "aggregates.one.write_shards: 1 is out of range. Use a whole number of parts from 2 to 50, or leave it out to keep a row in one item.",
      "aggregates.ranked.write_shards: it excludes rank_by, because an index would sort the parts of rows instead of rows. Leave one of them out, or declare a second aggregate without write_shards for the ranking.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "what_rows_are_ranked_by_is_a_number_in_all_of_them" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = { measures = { price = { function = "max", value = "price" } }, rank_by = "price" }
      b = { measures = { price = { function = "last", value = "price", order_by = "at" } } }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.b.measures.price: it is kept in price, an attribute by which rows of a are ranked and which then has to be a number everywhere. Rename one of the two.",
    ])
    error_message = "The ranked attribute that may be text has to be refused, and no other: ${jsonencode(output.problems)}"
  }
}

run "a_change_that_just_fits_into_a_transaction_is_accepted" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        time_bucket = { attribute = "at", units = ["5_minutes", "hour", "day", "month"] }
        measures = {
          a = { function = "min", value = "x" }
          b = { function = "max", value = "x" }
          c = { function = "first", value = "x", order_by = "at" }
          d = { function = "last", value = "x", order_by = "at" }
          e = { function = "distinct", value = "x" }
          f = { function = "percentile", value = "x" }
        }
      }
      b = {
        time_bucket = { attribute = "at", unit = "day" }
        measures    = { for i in range(23) : "m${i}" => { function = "max", value = "x" } }
      }
      c = { measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }
}

run "a_change_that_does_not_fit_into_a_transaction_is_refused_with_the_numbers" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    aggregates = {
      a = {
        time_bucket = { attribute = "at", units = ["5_minutes", "hour", "day", "month"] }
        measures = {
          a = { function = "min", value = "x" }
          b = { function = "max", value = "x" }
          c = { function = "first", value = "x", order_by = "at" }
          d = { function = "last", value = "x", order_by = "at" }
          e = { function = "distinct", value = "x" }
          f = { function = "percentile", value = "x" }
        }
      }
      b = {
        time_bucket = { attribute = "at", unit = "day" }
        measures    = { for i in range(24) : "m${i}" => { function = "max", value = "x" } }
      }
      c = { measures = { lines = { function = "count" }, buyers = { function = "distinct", value = "x" } }, write_shards = 2 }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates: a change of one item has to fit into one transaction, which takes 49 rows and index entries, and these take 52. Each aggregate takes units x (1 + measures of function distinct, first, last, max, min), with write_shards a distinct twice: a 4 x (1 + 5) = 24, b 1 x (1 + 24) = 25, c 1 x (1 + 2) = 3. Declare fewer here, and the others in a second instance of the module on the same stream.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "measures_that_are_not_linear_are_refused_with_delivery_watermark" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    delivery = "watermark"
    aggregates = {
      a = {
        measures = {
          for it in ["avg", "count", "distinct", "first", "last", "max", "min", "percentile", "stddev", "sum", "variance"] : "m_${it}" => {
            function = it
            value    = it == "count" ? null : "x"
            order_by = contains(["first", "last"], it) ? "at" : null
          }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.measures.m_distinct.function: distinct cannot be kept with delivery = \"watermark\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
      "aggregates.a.measures.m_first.function: first cannot be kept with delivery = \"watermark\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
      "aggregates.a.measures.m_last.function: last cannot be kept with delivery = \"watermark\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
      "aggregates.a.measures.m_max.function: max cannot be kept with delivery = \"watermark\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
      "aggregates.a.measures.m_min.function: min cannot be kept with delivery = \"watermark\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
    ])
    error_message = join("\n", output.problems)
  }
}

run "measures_that_are_not_linear_are_refused_with_delivery_none" {
  command = plan

  module {
    source = "./modules/definition"
  }

  variables {
    delivery = "none"
    aggregates = {
      a = {
        measures = {
          for it in ["avg", "count", "distinct", "first", "last", "max", "min", "percentile", "stddev", "sum", "variance"] : "m_${it}" => {
            function = it
            value    = it == "count" ? null : "x"
            order_by = contains(["first", "last"], it) ? "at" : null
          }
        }
      }
    }
  }

  assert {
    condition = output.problems == tolist([
      "aggregates.a.measures.m_distinct.function: distinct cannot be kept with delivery = \"none\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
      "aggregates.a.measures.m_first.function: first cannot be kept with delivery = \"none\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
      "aggregates.a.measures.m_last.function: last cannot be kept with delivery = \"none\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
      "aggregates.a.measures.m_max.function: max cannot be kept with delivery = \"none\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
      "aggregates.a.measures.m_min.function: min cannot be kept with delivery = \"none\": what a deletion leaves cannot be computed from the row. Use delivery = \"ledger\", or a function other than distinct, first, last, max, min.",
    ])
    error_message = join("\n", output.problems)
  }
}
