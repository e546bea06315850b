package process_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asChild makes the test binary one of the programs below.
const asChild = "LECTERN_TEST_PROCESS"

// status is that of a program that fails.
const status = 3

func TestMain(m *testing.M) {
	switch os.Getenv(asChild) {
	case "":
		goleak.VerifyTestMain(m)
		return
	case "silent":
		os.Exit(status)
	case "repeats":
		repeat()
	case "fails":
		repeat()
		os.Exit(status)
	case "stays":
		repeat()
		time.Sleep(time.Hour)
	case "garbles":
		fmt.Println("here")
		fmt.Println("no JSON")
		repeat()
	}
}

// repeat answers each line with itself.
func repeat() {
	fmt.Println("here")
	answers := json.NewEncoder(os.Stdout)
	for questions := bufio.NewScanner(os.Stdin); questions.Scan(); {
		_ = answers.Encode(questions.Text())
	}
}
