import java.io.File;
import java.io.FileInputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.OctetStreamData;
import javax.xml.crypto.URIDereferencer;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** What the JDK says of the signatures in files: reads their paths from standard input, writes a verdict a line. */
public class JudgeXmlSignature {
    static final XMLSignatureFactory FACTORY = XMLSignatureFactory.getInstance("DOM");

    public static void main(String[] arguments) throws Exception {
        X509Certificate root = certificate(Files.newInputStream(Path.of(arguments[0])));
        for (String path : new String(System.in.readAllBytes(), "UTF-8").split("\n")) {
            String verdict;
            try {
                verdict = judge(new File(path), root);
            } catch (Exception error) {
                verdict = error.toString();
            }
            System.out.println(path + "\t" + verdict.replaceAll("\\s+", " "));
        }
    }

    static String judge(File file, X509Certificate root) throws Exception {
        DocumentBuilderFactory builders = DocumentBuilderFactory.newInstance();
        builders.setNamespaceAware(true);
        builders.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = builders.newDocumentBuilder().parse(file);
        NodeList signatures = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature");
        for (int i = 0; i < signatures.getLength(); i++) {
            Element signature = (Element) signatures.item(i);
            String text = signature.getElementsByTagNameNS(XMLSignature.XMLNS, "X509Certificate").item(0).getTextContent();
            X509Certificate signer = certificate(new java.io.ByteArrayInputStream(java.util.Base64.getMimeDecoder().decode(text)));
            signer.verify(root.getPublicKey());
            DOMValidateContext context = new DOMValidateContext(KeySelector.singletonKeySelector(signer.getPublicKey()), signature);
            context.setProperty("org.jcp.xml.dsig.secureValidation", Boolean.TRUE);
            context.setURIDereferencer(beside(file));
            NodeList elements = document.getElementsByTagName("*");
            for (int j = 0; j < elements.getLength(); j++) {
                if (((Element) elements.item(j)).hasAttribute("Id")) {
                    context.setIdAttributeNS((Element) elements.item(j), null, "Id");
                }
            }
            if (!FACTORY.unmarshalXMLSignature(context).validate(context)) {
                return "signature " + (i + 1) + " is not valid";
            }
        }
        return signatures.getLength() == 0 ? "no signature" : "OK";
    }

    /** Relative references are files beside the document; the rest is the JDK's own business. */
    static URIDereferencer beside(File file) {
        return (reference, context) -> {
            try {
                boolean same = reference.getURI().isEmpty() || reference.getURI().startsWith("#");
                URI target = same ? null : file.getAbsoluteFile().toURI().resolve(reference.getURI());
                return same ? FACTORY.getURIDereferencer().dereference(reference, context)
                    : new OctetStreamData(new FileInputStream(new File(target)));
            } catch (java.io.IOException error) {
                throw new javax.xml.crypto.URIReferenceException(error);
            }
        };
    }

    static X509Certificate certificate(java.io.InputStream data) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(data);
    }
}
