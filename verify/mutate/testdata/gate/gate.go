// Package gate is half tested, on purpose.
package gate

// Gate lets in so many, while it is open.
type Gate struct {
	Most, Inside int
	Closed       bool
	Keeper       *Keeper
}

// Keeper is who a gate may have.
type Keeper struct{ Awake bool }

// Enter is tested well.
func (g *Gate) Enter(more int) bool {
	if g.Closed || more <= 0 {
		return false
	}
	if g.Inside+more > g.Most {
		return false
	}
	g.Inside += more
	return true
}

// Nearly is tested on both sides, but not at the boundary.
func (g *Gate) Nearly() bool { return g.Inside > g.Most-2 }

// Guarded is not tested with a keeper who sleeps.
func (g *Gate) Guarded() bool { return g.Keeper != nil && g.Keeper.Awake }

// Left cannot be tested at its boundary: there it makes no difference.
func (g *Gate) Left() int {
	left := g.Most - g.Inside
	if left < 0 {
		left = 0
	}
	return left
}

// Reopen is tested elsewhere.
func (g *Gate) Reopen() {
	if g.Closed {
		g.Closed, g.Inside = false, 0
	}
}

// Empty is not tested at all, and asks the same twice.
func (g *Gate) Empty() int {
	if g.Inside == 0 {
		return 1
	}
	if g.Inside == 0 {
		return 2
	}
	return 3
}

// Halvings is endless for 1 where its comparison is inverted.
func Halvings(n int) (count int) {
	for n > 1 {
		n /= 2
		count++
	}
	return count
}

// Numbers takes all memory for 0 where its comparison is inverted.
func Numbers(n int) (list []int) {
	for len(list) < n {
		list = append(list, len(list))
	}
	return list
}
