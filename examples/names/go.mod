module github.com/lectern-go/lectern/examples/names

go 1.25.0

replace github.com/lectern-go/lectern => ../..

require (
	github.com/lectern-go/lectern v0.1.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
	golang.org/x/text v0.40.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
