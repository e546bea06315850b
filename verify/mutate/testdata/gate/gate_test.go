package gate

import "testing"

func TestEnter(t *testing.T) {
	for _, c := range []struct {
		gate Gate
		more int
		in   bool
	}{
		{Gate{Most: 3, Inside: 1}, 2, true},
		{Gate{Most: 3, Inside: 1}, 3, false},
		{Gate{Most: 3, Inside: 1}, 1, true},
		{Gate{Most: 3}, 0, false},
		{Gate{Most: 3}, -1, false},
		{Gate{Most: 3, Closed: true}, 1, false},
	} {
		inside := c.gate.Inside
		if c.in {
			inside += c.more
		}
		if got := c.gate.Enter(c.more); got != c.in || c.gate.Inside != inside {
			t.Error(c, got)
		}
	}
}

func TestNearly(t *testing.T) {
	if (&Gate{Most: 9}).Nearly() || !(&Gate{Most: 9, Inside: 9}).Nearly() {
		t.Error("not so")
	}
}

func TestGuarded(t *testing.T) {
	if (&Gate{}).Guarded() || !(&Gate{Keeper: &Keeper{Awake: true}}).Guarded() {
		t.Error("not so")
	}
}

func TestLeft(t *testing.T) {
	if left := (&Gate{Most: 2, Inside: 1}).Left(); left != 1 {
		t.Error(left)
	}
	if left := (&Gate{Most: 2, Inside: 3}).Left(); left != 0 {
		t.Error(left)
	}
}

func TestHalvings(t *testing.T) {
	if Halvings(1) != 0 || Halvings(8) != 3 {
		t.Error("not so")
	}
}

func TestNumbers(t *testing.T) {
	if len(Numbers(0)) != 0 || len(Numbers(2)) != 2 {
		t.Error("not so")
	}
}
