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
      }
      total = { measures = { lines = { function = "count" } } }
    }
  }

  assert {
    condition     = length(output.problems) == 0
    error_message = join("\n", output.problems)
  }

  assert {
    condition     = output.encoded == base64gzip(jsonencode(var.aggregates))
    error_message = "The definition is handed over as gzipped JSON in base64."
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
      "aggregates.b.time_bucket.unit: \"days\" is not a unit. Use one of minute, hour, day, week, month, quarter, year.",
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
      for unit in ["minute", "hour", "day", "week", "month", "quarter", "year"] : "by_${unit}" => {
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
          for name in ["pk", "sk", "aggregate", "group", "bucket", "bucket_start", "items", "revision", "expires_at", "item"] :
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
        for name in ["aggregate", "bucket", "bucket_start", "expires_at", "group", "items", "pk", "revision", "sk"] :
        "aggregates.a.measures.${name}: every row has an attribute of this name. Use a name other than aggregate, bucket, bucket_start, expires_at, group, items, pk, revision, sk."
      ],
      ["aggregates.b.measures.price: an avg is stored as price_sum, which is another measure of this aggregate. Rename one of the two."],
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
      "aggregates.a.measures.a.function: \"median\" is not a function. Use one of avg, count, sum.",
      "aggregates.a.measures.b.function: \"\" is not a function. Use one of avg, count, sum.",
      "aggregates.a.measures.c.value: sum needs it. Say what to add up, such as \"quantity\" or \"quantity * unit_price\".",
      "aggregates.a.measures.d.value: avg needs it. Say what to add up, such as \"quantity\" or \"quantity * unit_price\".",
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
      "aggregates.a.measures.e.scale: without a value there is nothing to round. Leave it out.",
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
      "aggregates.${split(".", place)[0]}.where: \"${text}\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, exists, length, lower, round, upper."
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
      "aggregates.a.where: there is no function sqrt(). Use one of abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.a.where: there is no function name.lower(). Use one of abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.a.measures.total.value: there is no function open(). Use one of abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.a.measures.twice.value: only a function can be called, by its name. Use one of abs, coalesce, exists, length, lower, round, upper, or an operator before the bracket.",
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
      "aggregates.b.where: \"&\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.b.measures.n.value: \"//\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.c.where: \"AND\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.c.measures.n.value: it ends where something has to follow.",
      "aggregates.d.where: \"is\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.d.where: \"None\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.d.measures.n.value: \"$\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, exists, length, lower, round, upper.",
      "aggregates.d.measures.n.value: \"%\" is not allowed. An expression is made of attributes, numbers, strings, true, false, + - * /, comparisons, and, or, not, in, and the functions abs, coalesce, exists, length, lower, round, upper.",
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
      "aggregates.a.group_by: \"product id\" is not an attribute path. Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku.",
      "aggregates.a.group_by: \"a..b\" is not an attribute path. Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku.",
      "aggregates.a.group_by: \"upper(x)\" is not an attribute path. Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku.",
      "aggregates.a.time_bucket.attribute: \"ordered at\" is not an attribute path. Write names joined by dots, with [n] for an element of a list: stock_code, customer.region, lines[0].sku.",
    ])
    error_message = join("\n", output.problems)
  }
}
