/** What the headers of files from other countries mean. */
import { describe, expect, it } from 'vitest';
import { foreignHeaders } from '../../src/shared/imports/foreign-headers.ts';
import { guessColumns, guessLayout, importFields } from '../../src/shared/imports/import-file.ts';
import { readImportRow } from '../../src/shared/imports/parse-row.ts';

/** The fields of the columns, '' where a column means none. */
function fieldsOf(header: string): string[] {
  const columns = header.split(';');
  const mapping = guessColumns(columns);
  return columns.map((_, index) => importFields.find((field) => mapping[field].includes(index)) ?? '');
}

describe('a header', () => {
  it.each([
    ['German', 'Vor- und Nachname;E-Mail-Adresse;Firma GmbH;Telefon (geschäftlich);Herkunft;Bemerkung'],
    ['German, split', 'Vorname;Nachname;E-Mail;Unternehmen;Handy-Nr.;Quelle;Notizen'],
    ['French', 'Nom complet;Courriel;Société;N° de téléphone;Origine;Remarques'],
    ['French, split', 'Prénom;Nom;Adresse e-mail;Raison sociale;Téléphone portable;Source;Commentaires'],
    ['Dutch', 'Voornaam;Achternaam;E-mailadres;Bedrijf;Telefoonnummer;Bron;Opmerkingen'],
    ['Dutch, whole', 'Naam;Emailadres;Bedrijfsnaam;Mobiel;Herkomst;Notities'],
    ['Spanish', 'Nombre;Apellidos;Correo electrónico;Empresa;Teléfono móvil;Origen;Observaciones'],
    ['Spanish, whole', 'Nombre y apellidos;Correo;Razón social;Móvil;Fuente;Comentarios'],
    ['Italian', 'Nome;Cognome;Indirizzo email;Azienda;Cellulare;Fonte;Osservazioni'],
    ['Italian, whole', 'Nome e cognome;E-mail;Ragione sociale;Telefono;Fonte;Note'],
    ['Portuguese', 'Nome;Sobrenome;Endereço de e-mail;Companhia;Telemóvel;Origem;Observações'],
    ['Portuguese, whole', 'Nome completo;E-mail;Razão social;Telefone celular;Fonte;Nota'],
    ['Polish', 'Imię;Nazwisko;Adres e-mail;Nazwa firmy;Numer telefonu;Źródło;Uwagi'],
    ['Polish, whole', 'Imię i nazwisko;E-mail;Przedsiębiorstwo;Telefon komórkowy;Źródło;Notatki'],
    ['Swedish', 'Förnamn;Efternamn;E-post;Företag;Mobilnummer;Källa;Anteckningar'],
    ['Norwegian', 'Fornavn;Etternavn;E-postadresse;Bedrift;Tlf.;Kilde;Notater'],
    ['Danish', 'Fulde navn;E-mail;Virksomhed;Telefonnummer;Kilde;Bemærkninger'],
    ['Finnish', 'Etunimi;Sukunimi;Sähköposti;Yritys;Puhelinnumero;Lähde;Huomautukset'],
  ])('in %s is understood, every column', (_, header) => {
    const fields = fieldsOf(header);
    const isSplit = fields.length === 7;
    expect(fields).toEqual([
      ...(isSplit ? ['firstName', 'lastName'] : ['fullName']),
      'email',
      'company',
      'phone',
      'source',
      'notes',
    ]);
  });

  it('means one field only', () => {
    const words = importFields.flatMap((field) => foreignHeaders[field]);
    expect(words.filter((word, at) => words.indexOf(word) !== at)).toEqual([]);
    // As headers are folded, or a word could never be found.
    for (const word of words) expect(word).toMatch(/^[a-zæøłß]+(?: [a-zæøłß]+)*$/);
    for (const field of importFields)
      for (const word of foreignHeaders[field]) expect(fieldsOf(word), word).toEqual([field]);
  });

  it('that says no more than name is the whole name where its cells are', () => {
    const whole = guessLayout([
      ['Nom', 'Courriel'],
      ['Zoë van Dijk', 'zoe@example.org'],
    ]);
    expect(whole.mapping).toMatchObject({ fullName: [0], lastName: [], firstName: [] });
    expect(readImportRow(whole.mapping, ['Zoë van Dijk', 'zoe@example.org'], 2)).toMatchObject({
      lead: { firstName: 'Zoë van', lastName: 'Dijk' },
    });
    const last = guessLayout([
      ['Nom', 'Courriel'],
      ['Dupont', 'a@example.org'],
    ]);
    expect(last.mapping).toMatchObject({ fullName: [], lastName: [0] });
    const both = guessLayout([
      ['Nome', 'Cognome', 'Email'],
      ['Anna Maria', 'Rossi', 'a@example.org'],
    ]);
    expect(both.mapping).toMatchObject({ firstName: [0], lastName: [1], fullName: [] });
  });
});
