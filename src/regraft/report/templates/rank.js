const said = document.getElementById("said");
{% include "sorting.js" %}
