package star

// deadlines is a heap of what is due: its first element is the earliest. A sorted list is one.
type deadlines[E interface{ compare(E) int }] []E

// push adds an element.
func (h *deadlines[E]) push(e E) {
	*h = append(*h, e)
	list := *h
	for i := len(list) - 1; i > 0; {
		parent := (i - 1) / 2
		if list[i].compare(list[parent]) >= 0 {
			break
		}
		list[i], list[parent] = list[parent], list[i]
		i = parent
	}
}

// pop removes the first element.
func (h *deadlines[E]) pop() {
	list := *h
	last := len(list) - 1
	var none E
	list[0], list[last] = list[last], none
	list = list[:last]
	*h = list
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(list); child++ {
			if list[child].compare(list[least]) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		list[i], list[least] = list[least], list[i]
		i = least
	}
}
