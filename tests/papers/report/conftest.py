"""A project folder with the tables of this project's results, and with a small audit and drawings that are made up."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

CLAIMS = """\
id,paper,where,kind,claim,published,measured,low,high,seeds,data,verdict,reason,stage,figure,notebook,unit,fitted
A-1,A,"Table 3 (captioned ""Table 2"")",number,Few requests fail.,3.4,3.58112,3.53328,3.62896,20,paper_a (synthetic),\
reproduced,Close.,tables,reports/figures/elastic/paper_a/table3.png,11-elastic,%,fitted
A-2,A,section 4.2 beside Table 2,ranking,LSTM is best <everywhere>.,first,1 of 9,,,5,elb (real),not reproduced,\
"It is not, & far from it.",tables,reports/figures/table2/relative_mse_1.png,10-forecasting,,
A-3,A,abstract,statement,It all works.,,,,,,,not testable here,Nothing says how.,none,,,,
A-4,A,section 5 beside Table 3,ranking,Also on real traces.,lowest,2 of 2,,,20,elb (real),partly,In means.,elastic,\
reports/figures/elastic/elb/table3.png,11-elastic,,held out
B-F7-04,B,Fig. 7 and section VI.C,number,Trainings are dropped.,26.62,26.6008,23.7721,29.4295,20,emulated,reproduced,\
Near.,fig,reports/figures/los/scheduling/figure7.png,23-scheduling,%,held out
B-2,B,Fig. 5a beside Fig. 7,contradiction,One of two.,400,470,,,,the paper's own numbers,\
contradicted by the paper itself,They differ.,limits,,22-limits,millicores,
B-3,B,section VI.C,number,Many are dropped.,1430,1430,1430,1430,1,emulated,reproduced,All.,limits,\
reports/figures/los/scheduling/figure7.png,22-limits,trainings,set
B-4,B,Fig. 6,number,Handed over.,1,2,,,1,emulated,partly,Half.,limits,reports/figures/los/none.png,,hops,
"""

DRAWN = (
    *("forecast/paper_a/cost", "forecast/elb/table2", "table2/relative_mse_1", "elastic/paper_a/table3"),
    *("elastic/elb/table3", "los/scheduling/figure7", "los/scheduling/reasons", "data/requests"),
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project folder."""
    home = tmp_path / "project"
    for name in ("tables", "metrics"):
        shutil.copytree(ROOT / "reports" / name, home / "reports" / name)
    (home / "reports" / "claims.csv").write_text(CLAIMS)
    for name in DRAWN:
        file = home / "reports" / "figures" / f"{name}.svg"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = f'<g id="figure_1"><g id="text_1"><!-- On {name} --></g></g>'
        file.write_text(f'<svg viewBox="0 0 320.4 200">{text}</svg>')
    shutil.copyfile(ROOT / "dvc.yaml", home / "dvc.yaml")
    (home / "data" / "raw").mkdir(parents=True)
    (home / "data" / "raw" / "sources.csv").write_text("file,sha256,real\na.csv,1234,True\nb.csv,abcd,True\n")
    (home / "reports" / "notebooks").mkdir()
    for name in ("11-elastic-elb", "11-elastic-paper_a", "22-limits"):
        page = f"<html><title>About &amp; {name}</title><body><!-- back --><main>{name}</main></body></html>"
        (home / "reports" / "notebooks" / f"{name}.html").write_text(page)
    return home
