//go:build linux

package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

var (
	oursColor  = color.RGBA{0x0b, 0x5f, 0xc4, 0xff}
	peerColor  = color.RGBA{0x55, 0x55, 0x55, 0xff}
	limitColor = color.RGBA{0xa0, 0xa0, 0xa0, 0xff}
	gridColor  = color.RGBA{0xe2, 0xe2, 0xe2, 0xff}
)

// plots writes the pictures whose figures are there.
func (r *results) plots(dir string) error {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
	if err := r.dots(filepath.Join(dir, "cpu.svg"), fmt.Sprintf("Processor time of the server for each delivery, %d members", r.Sizes.Members),
		"µs, logarithmic", true, []mark{
			{"sustained, 16 in flight", "sustained", "cpu", draw.CircleGlyph{}},
			{"a single broadcast", "single", "cpu", draw.RingGlyph{}},
		}); err != nil {
		return err
	}
	if err := r.dots(filepath.Join(dir, "memory.svg"), fmt.Sprintf("Memory of the server for each of %d members", r.Sizes.Crowd),
		"KB", false, []mark{
			{"idle", "memory", "idle", draw.CircleGlyph{}},
			{"after traffic", "memory", "after", draw.RingGlyph{}},
		}); err != nil {
		return err
	}
	return r.lines(filepath.Join(dir, "growth.svg"))
}

// mark is one figure of each server in a picture.
type mark struct {
	title, workload, metric string
	shape                   draw.GlyphDrawer
}

// dots draws a line for each server with a mark for each figure.
func (r *results) dots(file, title, unit string, logarithmic bool, marks []mark) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = title, unit
	p.Title.Padding = vg.Points(6)
	var rows []spec
	for _, s := range specs {
		for _, m := range marks {
			if _, found := r.median(m.workload, s.name, m.metric); found {
				rows = append(rows, s)
				break
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	var names []string
	var places []float64
	lowest, highest := math.Inf(1), 0.0
	for i, s := range rows {
		y := float64(len(rows) - 1 - i)
		names, places = append(names, s.name+" "), append(places, y)
		for _, m := range marks {
			if v, found := r.median(m.workload, s.name, m.metric); found {
				lowest, highest = min(lowest, v), max(highest, v)
			}
		}
	}
	left := 0.0
	if logarithmic {
		left = math.Max(lowest, 0.01) / 2
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, steps{}
	}
	for i, s := range rows {
		guide, err := plotter.NewLine(plotter.XYs{{X: left, Y: places[i]}, {X: highest * 1.15, Y: places[i]}})
		if err != nil {
			return err
		}
		guide.Color = gridColor
		p.Add(guide)
		for k, m := range marks {
			v, found := r.median(m.workload, s.name, m.metric)
			if !found {
				continue
			}
			if err := point(p, max(v, left), places[i], colorOf(s), m.shape, k > 0); err != nil {
				return err
			}
		}
	}
	for _, m := range marks {
		p.Legend.Add(m.title, &plotter.Scatter{GlyphStyle: draw.GlyphStyle{Color: color.Black, Radius: vg.Points(4), Shape: m.shape}})
	}
	p.Legend.Top, p.Legend.Left = true, logarithmic
	p.Legend.Padding = vg.Points(3)
	p.Y.Tick.Marker = labels{names, places}
	p.Y.Tick.Length, p.Y.LineStyle.Width = 0, 0
	p.Y.Label.Text = " " // some room beside the names
	p.X.Min, p.X.Max = left, highest*1.3
	p.Y.Min, p.Y.Max = -0.7, float64(len(rows))+0.9
	return save(p, file, vg.Length(len(rows)+4)*0.9*vg.Centimeter)
}

// save writes a picture. It names fonts that browsers have, beside the one that
// the texts were measured with.
func save(p *plot.Plot, file string, height vg.Length) error {
	w, err := p.WriterTo(18*vg.Centimeter, height, "svg")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		return err
	}
	const measured = "font-family:Liberation Sans"
	return os.WriteFile(file, bytes.ReplaceAll(b.Bytes(), []byte(measured), []byte(measured+",Arial,Helvetica,sans-serif")), 0o666)
}

// point draws a mark with its figure above or below it.
func point(p *plot.Plot, x, y float64, c color.Color, shape draw.GlyphDrawer, below bool) error {
	at := plotter.XYs{{X: x, Y: y}}
	dot, err := plotter.NewScatter(at)
	if err != nil {
		return err
	}
	dot.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(4), Shape: shape}
	label, err := plotter.NewLabels(plotter.XYLabels{XYs: at, Labels: []string{figure(x)}})
	if err != nil {
		return err
	}
	label.TextStyle[0].Color, label.TextStyle[0].Font.Size = c, vg.Points(8)
	label.TextStyle[0].XAlign = text.XCenter
	label.Offset = vg.Point{Y: vg.Points(4)}
	if below {
		label.Offset, label.TextStyle[0].YAlign = vg.Point{Y: vg.Points(-4)}, text.YTop
	}
	p.Add(dot, label)
	return nil
}

func colorOf(s spec) color.Color {
	switch s.kind {
	case ours:
		return oursColor
	case limit:
		return limitColor
	}
	return peerColor
}

// lines draws what a delivery costs by the number of members.
func (r *results) lines(file string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "A single broadcast: processor time for each delivery", "members, logarithmic", "µs"
	p.Title.Padding = vg.Points(6)
	highest, drawn := 0.0, 0
	dashes := [][]vg.Length{nil, {vg.Points(5), vg.Points(3)}, {vg.Points(1), vg.Points(2)}}
	used := make(map[serverKind]int)
	for _, s := range specs {
		var points plotter.XYs
		for _, n := range r.Sizes.Growth {
			if v, found := r.median(grown("growth", n), s.name, "cpu"); found {
				points = append(points, plotter.XY{X: float64(n), Y: v})
				highest = max(highest, v)
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, line.Width = colorOf(s), vg.Points(1.5)
		line.Dashes = dashes[used[s.kind]%len(dashes)]
		used[s.kind]++
		dots.Color, dots.Shape = colorOf(s), draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(s.name, line)
		drawn++
	}
	if drawn == 0 {
		return nil
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, steps{}
	p.Y.Min, p.Y.Max = 0, highest*1.25
	p.Y.Tick.Marker = even{}
	p.Legend.Padding = vg.Points(3)
	return save(p, file, 9*vg.Centimeter)
}

// steps are 1, 2 and 5 of each power of ten, for logarithmic axes.
type steps struct{}

// Ticks makes steps a plot.Ticker.
func (steps) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Pow10(int(math.Floor(math.Log10(low)))); power <= high; power *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if v := n * power; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.6g", v)})
			}
		}
	}
	return ticks
}

// even are whole numbers, some eight at most, for the other ones.
type even struct{}

// Ticks makes even a plot.Ticker.
func (even) Ticks(low, high float64) []plot.Tick {
	step := 1.0
	for _, n := range []float64{2, 5, 10, 20, 50, 100} {
		if (high-low)/step > 8 {
			step = n
		}
	}
	var ticks []plot.Tick
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.6g", v)})
	}
	return ticks
}

// labels are names in places.
type labels struct {
	names  []string
	places []float64
}

// Ticks makes labels a plot.Ticker.
func (l labels) Ticks(_, _ float64) []plot.Tick {
	ticks := make([]plot.Tick, len(l.names))
	for i, name := range l.names {
		ticks[i] = plot.Tick{Value: l.places[i], Label: name}
	}
	return ticks
}
