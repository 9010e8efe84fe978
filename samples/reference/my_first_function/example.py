SIGNATURE = "from example"
