"""What drawings in Office files say: charts as tables, equations in one line, diagrams' texts."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from ingest.parse.package import A, C, Package, local_name

_POINTS = 10_000  # of a chart's series that are read


def chart_title(chart: Element) -> str:
    """A chart's title, and in further lines what its axes of values are called."""
    area = chart.find(f"{C}chart")
    titles = [_title(area), *(_title(axis) for axis in _axes(chart) if not _has_categories(chart, axis))]
    return "\n".join(dict.fromkeys(filter(None, titles)))


def _title(element: Element | None) -> str:
    title = element.find(f"{C}title") if element is not None else None
    texts = title.iter(f"{A}t") if title is not None else ()
    return " ".join("".join(text.text or "" for text in texts).split())


def _axes(chart: Element) -> Iterator[Element]:
    """The axes that are shown."""
    for axis in chart.iterfind(f"{C}chart/{C}plotArea/*"):
        deleted = axis.find(f"{C}delete")
        if local_name(axis).endswith("Ax") and (deleted is None or deleted.get("val", "1") in ("0", "false")):
            yield axis


def _has_categories(chart: Element, axis: Element) -> bool:
    """Whether an axis is that of the table's first column; of two of values, as under points, the lower is."""
    if local_name(axis) != "valAx":
        return local_name(axis) != "serAx"
    place = axis.find(f"{C}axPos")
    is_level = place is not None and place.get("val") in ("b", "t")
    return is_level and all(local_name(other) == "valAx" for other in _axes(chart))


def chart_rows(chart: Element) -> list[list[str]]:
    """A chart as a table: a column for each series, a row for each category, both named; the first column by its
    axis."""
    names, columns, categories = [], [], dict[int, str]()
    for number, series in enumerate(chart.iter(f"{C}ser"), 1):
        names.append(" ".join(_points(series.find(f"{C}tx")).values()) or f"{number}")
        values = series.find(f"{C}val")
        columns.append(_points(values if values is not None else series.find(f"{C}yVal")))
        labels = series.find(f"{C}cat")
        categories = categories or _points(labels if labels is not None else series.find(f"{C}xVal"))
    places = sorted(set(categories).union(*columns)) if columns else []
    rows = [[categories.get(place, ""), *(column.get(place, "") for column in columns)] for place in places]
    axis = next(filter(None, (_title(axis) for axis in _axes(chart) if _has_categories(chart, axis))), "")
    return [[axis, *names], *rows] if rows else []


def _points(holder: Element | None) -> dict[int, str]:
    """The values that a chart keeps of the sheet it was drawn from, by their place; of levels of labels, all."""
    found: dict[int, str] = {}
    if holder is None:
        return found
    for place, point in enumerate(holder.iter(f"{C}pt")):
        index = point.get("idx", "")
        key = int(index) if index.isdecimal() and len(index) < 8 else place
        text = _number(point.findtext(f"{C}v") or "")
        found[key] = f"{text} {found[key]}" if key in found else text
        if len(found) >= _POINTS:
            break
    if not found:
        found[0] = holder.findtext(f"{C}v") or ""
    return found


def _number(text: str) -> str:
    """As a sheet shows it: 4.3 where the file keeps 4.2999999999999998."""
    try:
        return format(float(text), ".15g") if "." in text else text
    except ValueError:
        return text


def diagram_lines(package: Package, part: str) -> Iterator[str]:
    """The texts of the boxes of a diagram (SmartArt)."""
    for point in package.xml(part).iter():
        if local_name(point) == "pt":
            for paragraph in point.iter(f"{A}p"):
                text = "".join(run.text or "" for run in paragraph.iter(f"{A}t")).strip()
                if text:
                    yield text


def equation(math: Element) -> str:
    """An equation (OMML) in one line: x^2, (a+b)/c, √(x)."""
    return " ".join(_linear(math).split())


def _linear(element: Element) -> str:
    name = local_name(element)
    if name == "t":
        return element.text or ""
    if name.endswith("Pr"):
        return ""
    part = {local_name(child): child for child in element}

    def of(key: str) -> str:
        return _linear(part[key]) if key in part else ""

    match name:
        case "f":
            return f"{_grouped(of('num'))}/{_grouped(of('den'))}"
        case "sSup":
            return f"{of('e')}^{_grouped(of('sup'))}"
        case "sSub":
            return f"{of('e')}_{_grouped(of('sub'))}"
        case "sSubSup":
            return f"{of('e')}_{_grouped(of('sub'))}^{_grouped(of('sup'))}"
        case "rad":
            return f"√{_grouped(of('deg'))}({of('e')})" if of("deg") else f"√({of('e')})"
        case "nary":
            sign = _property(element, "naryPr", "chr", "∫")
            lower, upper = _grouped(of("sub")), _grouped(of("sup"))
            return f"{sign}{'_' + lower if lower else ''}{'^' + upper if upper else ''} {of('e')}"
        case "d":
            begin = _property(element, "dPr", "begChr", "(")
            end = _property(element, "dPr", "endChr", ")")
            return begin + ", ".join(_linear(child) for child in element if local_name(child) == "e") + end
        case "func":
            return f"{of('fName')}{'' if of('e').startswith('(') else ' '}{of('e')}"
        case "limLow":
            return f"{of('e')}_{_grouped(of('lim'))}"
        case "limUpp":
            return f"{of('e')}^{_grouped(of('lim'))}"
        case "m":
            rows = (child for child in element if local_name(child) == "mr")
            return "[" + "; ".join(", ".join(_linear(cell) for cell in row) for row in rows) + "]"
        case "eqArr":
            return "; ".join(_linear(child) for child in element if local_name(child) == "e")
    return "".join(_linear(child) for child in element)


def _grouped(text: str) -> str:
    """With brackets where it is more than one word or number."""
    text = text.strip()
    return text if len(text) < 2 or text.isalnum() or text[0] + text[-1] == "()" else f"({text})"


def _property(element: Element, group: str, name: str, default: str) -> str:
    for properties in element:
        if local_name(properties) == group:
            for value in properties:
                if local_name(value) == name:
                    return next((text for key, text in value.attrib.items() if key.endswith("}val")), "")
    return default
