module github.com/lectern-go/lectern/examples/upgrade

go 1.25.0

replace github.com/lectern-go/lectern => ../..

require (
	github.com/cloudflare/tableflip v1.2.3
	github.com/lectern-go/lectern v0.1.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
)

require (
	github.com/gorilla/websocket v1.5.3 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
