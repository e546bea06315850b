module github.com/lectern-go/lectern

go 1.25

// Packages of npm, some of which have Go code of their own.
ignore node_modules

require (
	github.com/gorilla/websocket v1.5.3
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
