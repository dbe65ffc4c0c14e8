//! Tables of values separated by commas.

/// Every row; quotes may span lines, doubled quotes are one.
pub(super) fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = vec![String::new()];
    let mut quoted = false;
    let mut fresh = true;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(field) = row.last_mut() else {
            break;
        };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            c if quoted => field.push(c),
            c if c == delimiter => row.push(String::new()),
            '\n' | '\r' => {
                if c == '\r' && chars.peek() == Some(&'\n') {
                    chars.next();
                }
                if !fresh {
                    rows.push(std::mem::take(&mut row));
                }
                row = vec![String::new()];
                fresh = true;
                continue;
            }
            c => field.push(c),
        }
        fresh = false;
    }
    if !fresh {
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn quotes_span_lines() {
        assert_eq!(
            rows("a,b\n\n\"x\ny\",\"say \"\"hi\"\"\"\r\nlast,", ','),
            [vec!["a", "b"], vec!["x\ny", "say \"hi\""], vec!["last", ""]]
        );
    }
}
