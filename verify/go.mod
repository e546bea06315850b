module github.com/lectern-go/lectern/verify

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/lectern-go/lectern v0.0.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
)

require (
	github.com/gorilla/websocket v1.5.3 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/lectern-go/lectern => ../
