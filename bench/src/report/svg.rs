//! Charts as inline SVG.

use super::page::escape;

/// Horizontal bars, the longest over the whole width.
pub(super) fn bars(name: &str, bars: &[(String, f64)]) -> String {
    const LINE: usize = 24;
    const LEFT: f64 = 90.0;
    const WIDTH: f64 = 460.0;
    let longest = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let height = (bars.len() + 1) * LINE;
    let mut svg = format!(
        "<svg viewBox=\"0 0 640 {height}\" role=\"img\"><text x=\"0\" y=\"16\">{}</text>\n",
        escape(name)
    );
    for (index, (label, value)) in bars.iter().enumerate() {
        let (top, length) = ((index + 1) * LINE, WIDTH * value / longest);
        let (base, end) = (top + 14, LEFT + length + 6.0);
        let color = if index == 0 { "#0a7d4f" } else { "#8c959f" };
        svg.push_str(&format!(
            "<text x=\"0\" y=\"{base}\">{}</text><rect x=\"{LEFT}\" y=\"{top}\" \
             width=\"{length:.1}\" height=\"18\" fill=\"{color}\"/>\
             <text x=\"{end:.1}\" y=\"{base}\">{value:.2}</text>\n",
            escape(label)
        ));
    }
    svg.push_str("</svg>\n");

    svg
}
