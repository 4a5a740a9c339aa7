"""Makes the sample PDFs and Word documents from the texts below: the same bytes every time.

    .venv/bin/python data/make_samples.py [FOLDER]

The Markdown, HTML and text samples are written by hand and lie in data/samples as they are. Every person, company,
number and address is invented.
"""

import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

import docx
from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

SAMPLES = Path(__file__).resolve().parent / "samples"
WRITTEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEW_PAGE = "---"

# One line, one block: "# title", "## heading", "### subheading", "- item", "| a | b |" (a table's first row is its
# header), "---" for a new page, anything else a paragraph.

RENTAL_CONTRACT = """\
# Rental Contract
Dwelling at Calle del Molino 14, third floor, door B, Valdemora.
## 1. Parties
This contract is signed on 14 February 2025 between Aurelio Prats Domenech, the landlord, and Marta Cole Ibáñez, \
the tenant. Both declare that they have the legal capacity to sign it.
The landlord is represented in everyday matters by the agency Llave Verde, telephone 555 014 220. Notices to the \
landlord are valid when they reach the agency in writing.
## 2. The dwelling
The dwelling has 78 square metres: living room, two bedrooms, kitchen, bathroom and balcony. Storage room number 7 in \
the cellar belongs to it. There is no parking space.
The dwelling is let furnished. Annex A lists the furniture and its condition.
The energy certificate gives the dwelling class D. It is valid until 17 October 2031.
## 3. Term and notice
The term of the contract is five years, from 1 March 2025 to 28 February 2030.
After the first six months the tenant may end the contract at any time by giving thirty days' written notice. A tenant \
who leaves before the first year is over pays a compensation of half a month's rent.
The landlord may end the contract only at the end of the term, by giving four months' written notice.
If neither party gives notice, the contract is extended year by year, up to three more years.
---
## 4. Rent
The rent is paid by bank transfer within the first five days of each month. The schedule below already contains the \
yearly increase; no other increase may be asked for.
| Period | Monthly rent | Total of the period |
| March 2025 to February 2026 | 940 euros | 11,280 euros |
| March 2026 to February 2027 | 958 euros | 11,496 euros |
| March 2027 to February 2028 | 976 euros | 11,712 euros |
| March 2028 to February 2029 | 994 euros | 11,928 euros |
| March 2029 to February 2030 | 1,012 euros | 12,144 euros |
Rent that is paid late bears interest of 3 % a year from the sixth day of the month.
## 5. Deposit
The deposit is 1,880 euros, two months of the first year's rent. The tenant paid it on the day of signature.
The landlord returns the deposit within one month after the keys are handed back, less the cost of damage beyond \
normal wear. Painting after five years counts as normal wear.
## 6. Costs and repairs
The tenant pays electricity, gas, water and internet. The landlord pays the property tax, the fees of the owners' \
community and any special levy.
The tenant pays for repairs up to 150 euros each. The landlord pays for larger ones and has them started within ten \
days of the notice, within two days when there is no heating or no water.
---
## 7. Use of the dwelling
### Animals
One cat is allowed. Any other animal needs the landlord's written consent.
### Subletting
Subletting is not allowed, neither of the whole dwelling nor of a room, and neither are stays of paying guests.
### Noise
Quiet hours are from 22:30 to 8:00, on Sundays until 10:00.
### Changes
The tenant may paint in light colours and hang shelves. Walls between rooms may not be moved or removed.
## 8. Insurance
The tenant keeps a home insurance during the whole term, with a civil liability cover of at least 150,000 euros, and \
sends a copy of the policy to the agency every year in March.
## 9. Heating
The boiler is a condensing gas boiler of 2019. The landlord has it serviced every two years; the last service was on \
9 January 2025. The tenant keeps the pressure between 1.2 and 1.6 bar.
## 10. Handing back
On the last day the parties read the meters and sign a record of the condition. On the day of signature the meters \
showed 20,418 kWh of electricity and 311 cubic metres of water.
The tenant received three sets of keys. A lost set costs 75 euros.
---
## Annex A. Inventory
| Item | Quantity | Condition |
| Dishwasher Brisa D45 | 1 | new, bought 8 February 2025 |
| Washing machine | 1 | good |
| Refrigerator | 1 | good, one shelf missing |
| Bed 150 x 200 cm with mattress | 1 | good |
| Sofa, grey, three seats | 1 | stain on the left armrest |
| Dining table with chairs | 1 + 4 | one chair repaired |
| Wardrobe, two doors | 2 | good |
| Air conditioner, living room | 1 | serviced June 2024 |
## Signatures
Valdemora, 14 February 2025. Signed in two copies, one for each party.
"""

HOME_INSURANCE = """\
# Póliza de seguro de hogar
Mutua Almenara. Condiciones particulares de la póliza número HG-204817.
## 1. Datos de la póliza
La tomadora del seguro es Marta Cole Ibáñez. La vivienda asegurada está en la calle del Molino 14, tercero B, \
Valdemora, y se usa como vivienda habitual en alquiler.
La póliza entra en vigor el 1 de marzo de 2025. Se renueva cada año, salvo que la tomadora la cancele por escrito con \
un mes de antelación o la mutua con dos meses.
## 2. Prima
La prima anual es de 218,40 euros. Se paga en dos recibos de 109,20 euros, el 1 de marzo y el 1 de septiembre.
Después de dos años sin siniestros la prima baja un 8 %.
## 3. Mediadora
La mediadora de la póliza es Consuelo Bisbal, oficina de la plaza Mayor 2. Atiende de lunes a jueves.
---
## 4. Coberturas
| Cobertura | Límite | Franquicia |
| Contenido de la vivienda | 25.000 euros | sin franquicia |
| Daños por agua | 25.000 euros | 100 euros |
| Robo en la vivienda | 12.000 euros | 150 euros |
| Robo de bicicleta fuera de la vivienda | 600 euros | 60 euros |
| Rotura de cristales | 1.500 euros | sin franquicia |
| Responsabilidad civil | 300.000 euros | sin franquicia |
## 5. Daños por agua
Se cubren los daños por rotura de tuberías, desbordamiento de aparatos y filtraciones de los vecinos. La franquicia \
por daños por agua es de 100 euros por siniestro.
La localización y reparación de la avería se paga hasta 900 euros.
## 6. Robo
Las joyas que valgan más de 1.500 euros solo están cubiertas si se declaran antes. El dinero en efectivo se cubre \
hasta 300 euros.
Si la vivienda está vacía más de 60 días seguidos, el robo no está cubierto.
---
## 7. Exclusiones
No se cubren el desgaste, la humedad por condensación, las plagas ni los daños causados por obras de la tomadora. \
Tampoco las inundaciones por desbordamiento de ríos, que paga el fondo público de riesgos extraordinarios.
## 8. Siniestros
El plazo para comunicar un siniestro es de siete días desde que se conoce. El teléfono de siniestros es el 555 300 118 \
y atiende las veinticuatro horas.
En caso de robo hay que presentar denuncia en un plazo de 48 horas y enviar una copia a la mutua.
El perito visita la vivienda en los cinco días laborables siguientes al aviso. La mutua paga en un plazo de 40 días.
## 9. Asistencia urgente
La asistencia urgente incluye cerrajero, con hasta tres horas de mano de obra, y dos visitas de fontanero al año. Los \
electrodomésticos de más de diez años no se reparan.
"""

EMPLOYEE_HANDBOOK = """\
# Employee Handbook
Quillfern Maps, office of Valdemora. Edition of January 2026.
## Working hours
The working week has 37.5 hours. Everyone is reachable in the core hours from 10:00 to 15:00. In July and August work \
ends at 14:00 on Fridays.
## Remote work
Employees may work remotely up to three days a week. Wednesday is the day when everybody is in the office.
The company pays 300 euros once for a desk and a chair at home, and 25 euros a month for the internet connection.
## Holidays
Every employee has 25 days of paid holiday a year. Up to five days can be carried over and must be taken by 31 March.
Requests of more than three days are made at least two weeks before, to the team lead.
## Sick leave
Whoever is ill calls or writes to the team lead before 9:30. A doctor's certificate is needed from the third day. The \
salary is paid in full for 60 days.
## Parental leave
Parental leave is 20 weeks at full pay for each parent. It can be taken in up to three parts before the child's second \
birthday.
## Travel and expenses
Expenses are submitted within 30 days with the receipt; Ruth Okafor approves them. Trains are second class. Flights \
are booked only when the train takes more than six hours.
| Expense | Limit |
| Breakfast | 12 euros |
| Lunch | 20 euros |
| Dinner | 32 euros |
| Hotel, per night | 130 euros |
| Own car, per kilometre | 0.26 euros |
## Training
The training budget is 900 euros a year for each employee. What is not used expires on 31 December.
## Equipment and security
The disk of every laptop is encrypted. A lost or stolen device is reported within four hours to Henrik Solberg, \
telephone 555 700 311. Customer data is never copied to private devices.
Laptops are replaced after four years. The old one can be bought for 80 euros.
## Ending employment
The trial period is six months; during it the notice period is 15 days for both sides. After the trial period the \
employee's notice period is two months.
"""

VET_RECORD = """\
# Cartilla veterinaria de Pimienta
Clínica veterinaria El Roble, doctora Inés Caballer. Teléfono de urgencias: 555 420 019.
## Datos
Pimienta es una gata común europea, tricolor, nacida el 3 de abril de 2021. Está esterilizada desde el 20 de octubre \
de 2021. El número de microchip es 941000024817553.
La persona de contacto es Marta Cole, calle del Molino 14, tercero B.
## Vacunas
| Vacuna | Fecha | Próxima dosis |
| Trivalente felina | 15 de noviembre de 2025 | 15 de noviembre de 2026 |
| Rabia | 15 de noviembre de 2025 | 15 de noviembre de 2028 |
| Leucemia felina | 18 de junio de 2025 | 18 de junio de 2026 |
## Alergias
Pimienta es alérgica a la amoxicilina: el 9 de mayo de 2023 tuvo vómitos e inflamación de la cara a la media hora de \
la toma.
## Peso y alimentación
El 15 de noviembre de 2025 pesaba 4,3 kilos. Come 55 gramos de pienso al día, en dos tomas. No debe pasar de 4,5 kilos.
## Visitas
El 22 de enero de 2026 se le hizo una limpieza dental con anestesia, sin complicaciones; costó 145 euros. Le falta el \
segundo premolar inferior derecho.
La próxima revisión es el 18 de junio de 2026 a las 18:30.
"""

Row = list[str]
Part = tuple[str, str | list[Row]]


def parts(text: str) -> list[Part]:
    """The text's blocks as (kind, content): the mark at the line's start is the kind, "" a paragraph, "|" a table."""
    found: list[Part] = []
    for line in text.splitlines():
        if line.startswith("|"):
            row = [cell.strip() for cell in line.strip("|").split("|")]
            if found[-1][0] == "|":
                found[-1][1].append(row)  # type: ignore[union-attr]
            else:
                found.append(("|", [row]))
            continue
        mark, _, rest = line.partition(" ")
        found.append((mark, rest) if mark in ("#", "##", "###", "-", NEW_PAGE) else ("", line))
    return found


def pdf(text: str, language: str) -> bytes:
    """A PDF on A4 with an outline of its headings and the page's number at the foot."""
    rl_config.invariant = 1  # no dates, no random identifiers
    styles = getSampleStyleSheet()
    body = ParagraphStyle("body", parent=styles["BodyText"], fontSize=11, leading=15.5, spaceAfter=9)
    style = {"#": styles["Title"], "##": styles["Heading2"], "###": styles["Heading3"], "": body}
    title = next(str(content) for kind, content in parts(text) if kind == "#")

    levels = {"Title": 0, "Heading2": 1, "Heading3": 2}

    class Template(SimpleDocTemplate):
        def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802  (the library's name)
            if isinstance(flowable, Paragraph) and flowable.style.name in levels:
                heading = flowable.getPlainText()
                key = f"{self.page}-{heading}"
                self.canv.bookmarkPage(key)
                self.canv.addOutlineEntry(heading, key, levels[flowable.style.name])

    def foot(canvas: Canvas, template: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 9)
        canvas.drawCentredString(A4[0] / 2, 1.2 * cm, str(template.page))

    story: list[Flowable] = []
    for kind, content in parts(text):
        if kind == NEW_PAGE:
            story.append(PageBreak())
        elif isinstance(content, list):
            story += [pdf_table(content, body), Spacer(1, 12)]
        else:
            story.append(Paragraph(escape(content), style[kind]))
    file = BytesIO()
    template = Template(file, pagesize=A4, margin=2.5 * cm, title=title, author="", lang=language)
    template.build(story, onFirstPage=foot, onLaterPages=foot)
    return file.getvalue()


def pdf_table(rows: list[Row], style: ParagraphStyle) -> Table:
    cell = ParagraphStyle("cell", parent=style, spaceAfter=0)
    table = Table([[Paragraph(escape(text), cell) for text in row] for row in rows], repeatRows=1, hAlign="LEFT")
    grid = ("GRID", (0, 0), (-1, -1), 0.5, colors.grey)
    header = ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)
    table.setStyle(TableStyle([grid, header, ("VALIGN", (0, 0), (-1, -1), "TOP")]))
    return table


def word(text: str, language: str) -> bytes:
    """A Word document with the built-in heading styles."""
    document = docx.Document()
    document.core_properties.author = ""
    document.core_properties.language = language
    document.core_properties.created = document.core_properties.modified = WRITTEN
    for kind, content in parts(text):
        if isinstance(content, list):
            table = document.add_table(rows=0, cols=len(content[0]), style="Table Grid")
            for row in content:
                for cell, cell_text in zip(table.add_row().cells, row, strict=True):
                    cell.text = cell_text
        elif kind.startswith("#"):
            document.add_heading(content, level=len(kind) - 1)
            if kind == "#":
                document.core_properties.title = content
        else:
            document.add_paragraph(content)
    file = BytesIO()
    document.save(file)
    return undated(file.getvalue())


def undated(archive: bytes) -> bytes:
    """The same ZIP archive with one fixed date on every entry."""
    file = BytesIO()
    with zipfile.ZipFile(BytesIO(archive)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, WRITTEN.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(name))
    return file.getvalue()


SAMPLE: dict[str, tuple[Callable[[str, str], bytes], str, str]] = {
    "home/rental-contract.pdf": (pdf, RENTAL_CONTRACT, "en"),
    "home/poliza-hogar.pdf": (pdf, HOME_INSURANCE, "es"),
    "work/employee-handbook.docx": (word, EMPLOYEE_HANDBOOK, "en"),
    "health/cartilla-veterinaria.docx": (word, VET_RECORD, "es"),
}


def make_samples(folder: Path) -> None:
    for path, (make, text, language) in SAMPLE.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(make(text, language))


if __name__ == "__main__":
    make_samples(Path(sys.argv[1]) if sys.argv[1:] else SAMPLES)
