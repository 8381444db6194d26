module "game" {
  source = "../.."

  name                = var.name
  deletion_protection = var.deletion_protection

  source_table = {
    hash_key  = { name = "player", type = "S" }
    range_key = { name = "played_at", type = "S" }
  }

  # A player's points of a week, and of all time; the players in order of their points by one Query of an index.
  aggregates = {
    points_by_week = {
      group_by    = ["player"]
      time_bucket = { attribute = "played_at", unit = "week" }
      measures = {
        games  = { function = "count" }
        points = { function = "sum", value = "points" }
        best   = { function = "max", value = "points" }
      }
      rank_by = "points"
    }

    points_in_all = {
      group_by = ["player"]
      measures = { points = { function = "sum", value = "points" } }
      rank_by  = "points"
    }
  }
}
