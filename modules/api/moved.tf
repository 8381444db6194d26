# There was one way of writing, POST, with resources of its own.

moved {
  from = aws_api_gateway_model.item
  to   = aws_api_gateway_model.write["POST"]
}

moved {
  from = aws_api_gateway_method.post_item
  to   = aws_api_gateway_method.write["POST"]
}

moved {
  from = aws_api_gateway_integration.post_item
  to   = aws_api_gateway_integration.write["POST"]
}

moved {
  from = aws_api_gateway_method_response.post_item["201"]
  to   = aws_api_gateway_method_response.write["POST 201"]
}

moved {
  from = aws_api_gateway_method_response.post_item["400"]
  to   = aws_api_gateway_method_response.write["POST 400"]
}

moved {
  from = aws_api_gateway_method_response.post_item["409"]
  to   = aws_api_gateway_method_response.write["POST 409"]
}

moved {
  from = aws_api_gateway_method_response.post_item["500"]
  to   = aws_api_gateway_method_response.write["POST 500"]
}

moved {
  from = aws_api_gateway_method_response.post_item["502"]
  to   = aws_api_gateway_method_response.write["POST 502"]
}

moved {
  from = aws_api_gateway_method_response.post_item["503"]
  to   = aws_api_gateway_method_response.write["POST 503"]
}

moved {
  from = aws_api_gateway_integration_response.post_item["created"]
  to   = aws_api_gateway_integration_response.write["POST stored"]
}

moved {
  from = aws_api_gateway_integration_response.post_item["refused"]
  to   = aws_api_gateway_integration_response.write["POST refused"]
}

moved {
  from = aws_api_gateway_integration_response.post_item["failed"]
  to   = aws_api_gateway_integration_response.write["POST failed"]
}

moved {
  from = aws_api_gateway_integration_response.post_item["other"]
  to   = aws_api_gateway_integration_response.write["POST other"]
}
