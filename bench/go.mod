module github.com/lectern-go/lectern/bench

go 1.26.0

replace github.com/lectern-go/lectern => ../

require (
	github.com/gorilla/websocket v1.5.3
	github.com/lectern-go/lectern v0.0.0-00010101000000-000000000000
	golang.org/x/sys v0.50.0
)
